"""SDKs of Segment and Sensors Analytics (神策) while the collector is killed and started again: no event is lost or stored twice."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.clients.proxy import Interrupt, Proxy, run_proxy
from tests.clients.sdk_packages import install_node_packages
from tests.clients.sdks import Call, require_chromium
from tests.clients.storefront import PageVisit, visit_page
from tests.clients.test_sensors_sdks import PAGE, SCRIPTS
from tests.customers.events.server import CollectorServer

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PROGRAMS = {"segment": "segment.cjs", "mini-program": "sensors-miniprogram.cjs"}
UNREPEATED = ("image", "ajax", "beacon")  # the ways to send that do not repeat a failed request
PATIENCE = {"timeout": 300_000, "settings": {"maxRetries": 1_000}}
MANY, FEW = 230, 20  # of an SDK with 100 and more events a call, and of one with six


@dataclass
class Client:
    """An SDK with its own source and proxy."""

    source: str
    key: str
    proxy: Proxy

    def is_done(self, shop: CollectorServer, expected: list[str]) -> bool:
        """Return whether all events are stored and the last request is answered."""
        statuses = self.proxy.statuses
        return bool(statuses) and statuses[-1] == 200 and set(expected) <= set(list_products(shop, self.source))


def make_views(first: int, count: int) -> list[Call]:
    return [
        {"call": "track", "userId": "u-17", "event": "Product Viewed", "properties": {"product_id": f"p-{number}"}}
        for number in range(first, first + count)
    ]


def list_products(shop: CollectorServer, source: str) -> list[str]:
    query = """SELECT e.product_ids[1] FROM events_event e JOIN events_source s ON s.id = e.source_id
    WHERE s.key = %s AND e.name = 'Product Viewed'"""
    with psycopg.connect(shop.database) as connection:
        return [row[0] for row in connection.execute(query, [source]).fetchall()]


def make_client(shop: CollectorServer, name: str, stack: ExitStack, kill: Callable[[], object]) -> Client:
    """Return a client whose first request is stored, but not answered, because the collector is killed."""
    source = f"killed-{name}"
    proxy = stack.enter_context(run_proxy(f"http://127.0.0.1:{shop.port}", Interrupt(kill)))
    return Client(source, shop.make_source(source), proxy)


def start_program(name: str, client: Client, calls: list[Call]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["node", PROGRAMS[name]],
        cwd=install_node_packages(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"calls": calls, "host": client.proxy.url, "writeKey": client.key, **PATIENCE}))
    process.stdin.close()
    process.stdin = None
    return process


def open_page(client: Client, stack: ExitStack, calls: list[Call], send_type: str, *, batches: bool) -> PageVisit:
    opened = stack.enter_context(visit_page(PAGE.read_text(), node_folder=install_node_packages(), scripts=SCRIPTS))
    task: dict[str, Any] = {"calls": calls, "host": client.proxy.url, "writeKey": client.key}
    opened.page.evaluate("task => drive(task)", {**task, "sendType": send_type, "batches": batches})
    return opened


def track(opened: PageVisit, product: str) -> None:
    opened.page.evaluate("id => void sensors.track('Product Viewed', { product_id: id })", product)


def let_pages_run(opened: PageVisit, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, what
        opened.page.wait_for_timeout(50)


def test_sdks_store_each_event_once_although_the_collector_is_killed(shop: CollectorServer) -> None:
    """It is killed after it has stored a request of each SDK, before any is answered, and started again while they send."""
    require_chromium()
    install_node_packages()
    names = [*PROGRAMS, "batches", *UNREPEATED]
    barrier = threading.Barrier(len(names), action=shop.kill_web)
    with ExitStack() as stack:
        clients = {name: make_client(shop, name, stack, lambda: barrier.wait(300)) for name in names}
        programs = {name: start_program(name, clients[name], make_views(0, MANY)) for name in PROGRAMS}
        pages = {name: open_page(clients[name], stack, [], name, batches=False) for name in UNREPEATED}
        opened = open_page(clients["batches"], stack, make_views(0, FEW), "ajax", batches=True)
        for name in UNREPEATED:
            track(pages[name], "before")
        let_pages_run(opened, lambda: shop.web is None, "the kill")
        for name in UNREPEATED:
            track(pages[name], "meanwhile")
        opened.page.wait_for_timeout(300)
        shop.start_web()
        for name in UNREPEATED:
            track(pages[name], "after")
        wait = {name: [f"p-{number}" for number in range(MANY)] for name in PROGRAMS}
        wait["batches"] = [f"p-{number}" for number in range(FEW)]
        for name, expected in wait.items():
            let_pages_run(opened, lambda name=name, expected=expected: clients[name].is_done(shop, expected), name)
        for program in programs.values():
            _out, problems = program.communicate(timeout=300)
            assert program.returncode == 0, problems
        for name in UNREPEATED:
            let_pages_run(opened, lambda name=name: "after" in list_products(shop, f"killed-{name}"), name)
    for name, expected in wait.items():
        assert Counter(list_products(shop, f"killed-{name}")) == Counter(expected)
        assert max(exchange.content.get("duplicates", 0) for exchange in clients[name].proxy.exchanges) > 0, name
    for name in UNREPEATED:
        counts = Counter(list_products(shop, f"killed-{name}"))
        assert (counts["before"], counts["after"], counts["meanwhile"] <= 1) == (1, 1, True)
    for name in names:
        stored, distinct, waiting = shop.count_stored(f"killed-{name}")
        assert stored == distinct == waiting
