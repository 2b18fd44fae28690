"""Two workers with their own servers apply changes in time and respond through server failures."""

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from benchmarks.attack import continue_tree, stop_tree
from tests.customers.events.server import CollectorServer, run_collector
from tests.waiting import DEADLINE_SECONDS, measure_running_seconds, wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

TRAIN = """
import django; django.setup()
from django.conf import settings
from tests.recommendations.trainings import train_reproducibly
settings.TRAINING_SECONDS, settings.PROMOTION_LATENCY_MS = 2, 60_000.0
"""
PREPARE = (
    TRAIN
    + """
from datetime import timedelta
from django.utils import timezone
from config.access.keys import create_api_key
from config.access.models import ApiKey
from customers.warehouse.export import export_warehouse
from tests.recommendations.shop import make_tea_and_coffee_shop
now = timezone.now()
make_tea_and_coffee_shop(until=now - timedelta(hours=1))
export_warehouse(started_at=now)
train_reproducibly(as_of=now)
print(create_api_key(name="shop", kind=ApiKey.Kind.SECRET, scopes=["recommendations:read"], now=now)[1])
"""
)
RULE = """
import django; django.setup()
from recommendations.merchandising.models import Rule
Rule.objects.create(name="tea first", action="pin", position=1, product_ids=["coffee-4"], scenarios=["popular"], priority=9)
"""
RETRAIN = (
    TRAIN
    + """
from django.utils import timezone
from recommendations.training.registry.promotion import promote_version
print(promote_version(version=train_reproducibly(as_of=timezone.now()), at=timezone.now()).version)
"""
)
FOR_YOU, POPULAR = "recommendations/for-you/?user_id=user-0&n=5", "recommendations/popular/?n=15"
PATHS = (FOR_YOU, POPULAR, "recommendations/similar/?product_id=tea-1&user_id=user-1&n=5", "search/?q=tea&n=5")


@dataclass
class Shop:
    running: CollectorServer
    key: str
    statuses: list[int] = field(default_factory=list)
    readiness: list[int] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return status and response, over a new connection so that both workers respond in turn."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get_readiness(self) -> None:
        """Ask for something that needs the database, and record the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", "/health/ready")
            self.readiness.append(connection.getresponse().status)
        finally:
            connection.close()

    def is_true_everywhere(self, path: str, condition: Any, *, times: int = 12) -> bool:
        """Return whether a condition is true of consecutive responses, which come from both workers."""
        return all(condition(self.get(path)[1]) for _time in range(times))


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with run_collector(DATABASE_STATEMENT_TIMEOUT="5") as running:  # what a frozen server can cost a request
        key = running.run_python("-c", PREPARE).splitlines()[-1]
        shop = Shop(running, key)
        wait_until(
            lambda: shop.is_true_everywhere(
                FOR_YOU, lambda response: response.get("model_version") and response["fallback"] is None
            ),
            what="the model in both workers",
        )
        wait_until(lambda: all(shop.get("search/?q=tea")[0] == 200 for _time in range(12)), what="the search")
        yield shop


class Load:
    """Sends requests in a thread until stopped; records their statuses and the slowest one."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.ended, self.statuses, self.empty, self.slowest = shop, threading.Event(), [], 0, 0.0
        self.stale = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        number = 0
        with measure_running_seconds() as get_seconds:
            while not self.ended.is_set():
                started = get_seconds()
                status, response = self.shop.get(PATHS[number % len(PATHS)])
                self.slowest = max(self.slowest, get_seconds() - started)
                number += 1
                self.statuses.append(status)
                self.empty += status == 200 and not response["items"]
                self.stale += response.get("stale") is True

    def finish(self) -> "Load":
        self.ended.set()
        self.thread.join()
        return self


def test_every_worker_applies_a_price_a_sold_out_product_and_a_rule_within_seconds(shop: Shop) -> None:
    def measure_delay(change: Any, path: str, condition: Any) -> float:
        change()
        with measure_running_seconds() as get_seconds:
            wait_until(lambda: shop.is_true_everywhere(path, condition), what=f"the change in {path}")
            return get_seconds()

    def execute(text: str) -> None:
        with psycopg.connect(shop.running.database) as connection:
            connection.execute(text)

    def map_products(response: dict[str, Any]) -> dict[str, Any]:
        return {item["product_id"]: item["product"] for item in response["items"]}

    price = measure_delay(
        lambda: execute("UPDATE catalog_product SET price = 77.77, updated_at = now() WHERE product_id = 'tea-1'"),
        POPULAR,
        lambda response: map_products(response)["tea-1"]["price"] == "77.77",
    )
    sold_out = measure_delay(
        lambda: execute("UPDATE catalog_product SET stock = 0, updated_at = now() WHERE product_id = 'tea-2'"),
        POPULAR,
        lambda response: "tea-2" not in map_products(response),
    )
    retitled = measure_delay(
        lambda: execute("UPDATE catalog_product SET title = 'zebra', updated_at = now() WHERE product_id = 'tea-3'"),
        "search/?q=zebra&strict=true",
        lambda response: list(map_products(response)) == ["tea-3"],
    )
    shop.running.run_python("-c", RULE)
    pinned = measure_delay(lambda: None, POPULAR, lambda response: response["items"][0]["product_id"] == "coffee-4")
    # Workers check for changes every second. The limit is far above, for a machine that runs other tests at the same time,
    # and far below the minute after which a task or a cache would apply them.
    assert max(price, sold_out, retitled, pinned) < 30, (price, sold_out, retitled, pinned)


def test_a_new_model_becomes_active_without_a_failed_response(shop: Shop) -> None:
    load = Load(shop)
    version = shop.running.run_python("-c", RETRAIN).splitlines()[-1]
    wait_until(
        lambda: shop.is_true_everywhere(FOR_YOU, lambda response: response["model_version"] == version),
        what="the new version",
    )
    load.finish()
    assert set(load.statuses) == {200}
    assert load.empty == 0


def test_without_postgresql_responses_come_from_memory_and_are_marked_stale(shop: Shop) -> None:
    load = Load(shop)
    wait_until(lambda: len(load.statuses) > 40, what="calls to both workers")
    shop.running.find_server("postgres").stop()
    wait_until(lambda: load.stale > 20, what="stale answers")
    shop.running.find_server("postgres").ensure_running()
    wait_until(
        lambda: shop.is_true_everywhere(FOR_YOU, lambda response: response["stale"] is False),
        what="fresh answers",
    )
    load.finish()
    assert set(load.statuses) == {200}
    assert load.empty == 0
    assert load.slowest < 10, "at most one request waits for the server that has just stopped"


def test_a_frozen_postgresql_holds_no_request_for_ever_and_no_recommendation(shop: Shop) -> None:
    server = shop.running.find_server("postgres").pid
    assert server is not None
    waiting = [threading.Thread(target=shop.get_readiness) for _number in range(40)]
    load = Load(shop)
    wait_until(lambda: len(load.statuses) > 40, what="calls to both workers")
    stop_tree(server)
    try:
        for thread in waiting:
            thread.start()
        wait_until(lambda: load.stale > 40, what="stale answers")
        wait_until(lambda: len(shop.readiness) == len(waiting), what="the end of requests that wait")
    finally:
        continue_tree(server)
        load.finish()
        for thread in waiting:
            thread.join()
    assert set(shop.readiness) == {503}
    wait_until(
        lambda: shop.is_true_everywhere(FOR_YOU, lambda response: response["stale"] is False),
        what="fresh answers",
    )
    assert (set(load.statuses), load.empty) == ({200}, 0)


def test_without_valkey_responses_come_from_the_model_alone(shop: Shop) -> None:
    load = Load(shop)
    wait_until(lambda: len(load.statuses) > 20, what="calls to both workers")
    shop.running.find_server("valkey").stop()
    before = len(load.statuses)
    wait_until(lambda: len(load.statuses) > before + 60, what="answers without Valkey")
    # a busy machine answers with a fallback now and then
    wait_until(lambda: shop.get(FOR_YOU)[1]["fallback"] is None, what="an answer by the model without Valkey")
    shop.running.find_server("valkey").ensure_running()
    load.finish()
    assert set(load.statuses) == {200}
    assert load.empty == 0
    assert load.slowest < 5
