"""Clients that send a part of their events and then nothing do not keep others from sending theirs."""

import time
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.config.web_server.server import open_slow_requests, read_statuses, send
from tests.customers.events.client import track
from tests.customers.events.server import CollectorServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@pytest.mark.parametrize("number", [200])
def test_slow_bodies_delay_nobody_and_are_closed_at_the_deadline(shop: CollectorServer, number: int) -> None:
    key = shop.make_source(f"slow{number}")
    wait_until(lambda: answers_at_once(shop), what="both processes of the web server, of which one may be loading")
    wait_until(lambda: is_nobody_delayed(shop, key, number), what="answers in time, unless the machine stalls")


def is_nobody_delayed(shop: CollectorServer, key: str, number: int) -> bool:
    """Return whether others get their answers in time while slow requests wait for their deadline, 15 seconds."""
    began = time.monotonic()
    with ExitStack() as stack:
        slow = [stack.enter_context(opened) for opened in open_slow_requests(shop.port, number, path="/v1/batch")]
        seconds = [time.monotonic() - began]
        for _number in range(3):  # who waited for a slow body would wait for its deadline
            live = send(shop.port, "GET", "/health/live")
            assert live.status == 200, live
            seconds.append(live.seconds)
        sent = time.monotonic()
        answer = shop.post(key, {"batch": [track(messageId=f"normal-{number}")]})
        assert (answer.status, answer.body["accepted"] + answer.body["duplicates"]) == (200, 1)
        seconds.append(time.monotonic() - sent)
        if max(seconds) >= 10:
            return False
        statuses = Counter(read_statuses(slow))
    assert set(statuses) <= {408, 429}
    assert 0 < statuses[408] <= 64  # in two processes
    took = time.monotonic() - began
    assert took > 15
    return took < 40  # the deadline, and what a busy machine needs for 200 connections


def answers_at_once(shop: CollectorServer) -> bool:
    return all(send(shop.port, "GET", "/health/live").seconds < 0.5 for _number in range(10))
