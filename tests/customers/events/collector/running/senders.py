"""Clients that send batches all the time, as shops do, and count what was accepted."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.customers.events.client import track
from tests.customers.events.server import CollectorServer
from tests.waiting import wait_until

BATCH_EVENTS = 20


def make_track(message_id: str) -> dict[str, Any]:
    return track(messageId=message_id)


class Senders:
    """Four clients that send batches and retry each until the response is 200.

    pause: seconds between two batches of a client.
    """

    def __init__(
        self,
        shop: CollectorServer,
        source: str,
        make_event: Callable[[str], dict[str, Any]] = make_track,
        *,
        pause: float = 0,
    ) -> None:
        self.shop, self.source, self.make_event, self.pause = shop, source, make_event, pause
        self.key = shop.make_source(source)
        self.statuses: list[int | None] = []
        self.delivered = 0
        self.over = threading.Event()
        self.pool = ThreadPoolExecutor(4)
        self.running = [self.pool.submit(self.send, number) for number in range(4)]

    def __enter__(self) -> "Senders":
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.pool.shutdown()

    def send(self, sender: int) -> int:
        sent = 0
        while not self.over.is_set():
            batch = [self.make_event(f"{self.source}-{sender}-{sent}-{number}") for number in range(BATCH_EVENTS)]
            response = self.shop.deliver(self.key, {"batch": batch}, report_status=self.statuses.append)
            # a call that was stored before its answer got lost consists of duplicates
            assert response.body["accepted"] + response.body["duplicates"] == BATCH_EVENTS, response.body
            sent += 1
            self.delivered += 1
            self.over.wait(self.pause)
        return BATCH_EVENTS * sent

    def wait_for_more(self, more_batches: int = 12) -> None:
        target = self.delivered + more_batches
        wait_until(
            lambda: self.delivered >= target or any(future.done() for future in self.running),
            what="more batches",
        )

    def finish(self, *, is_processed: bool = False) -> int:
        """Stop; check that every event is stored once, and waits unless some are processed; return the number of events."""
        self.over.set()
        sent = sum(future.result() for future in self.running)
        stored, distinct, waiting = self.shop.count_stored(self.source)
        assert (stored, distinct) == (sent, sent)
        assert is_processed or waiting == sent
        return sent
