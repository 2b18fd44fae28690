"""The load of `benchmarks.soak`: threads that send requests at a steady pace and note how long each took."""

import base64
import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

BATCH_EVENTS = 10
ORDER_EVERY = 5  # batches
TIMEOUT_SECONDS = 30.0
WORDS = ("shirt", "jacket", "red", "cotton", "shoe", "bag", "kettle", "green tea")
PATIENCE_SECONDS = 180.0  # for a batch to be accepted


@dataclass
class PartTally:
    """What one part of the load got: latencies in seconds, and errors by kind."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def summarize(self) -> dict[str, Any]:
        ordered = sorted(self.latencies)
        return {
            "requests": len(ordered),
            "errors": sum(self.errors.values()),
            "error_kinds": dict(self.errors.most_common(5)),
            "p50_ms": round(compute_percentile(ordered, 0.5) * 1000, 1),
            "p99_ms": round(compute_percentile(ordered, 0.99) * 1000, 1),
        }


def compute_percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class LoadThread(threading.Thread):
    """Sends one request after the other at a pace, over one connection while the server keeps it."""

    def __init__(self, part: str, port: int, tally: PartTally, *, per_second: float, stopped: threading.Event) -> None:
        super().__init__(name=f"load-{part}")
        self.port, self.tally, self.pause, self.stopped = port, tally, 1 / per_second, stopped
        self._connection: http.client.HTTPConnection | None = None
        self._draws = random.Random(part)

    def run(self) -> None:
        due = time.monotonic() + self._draws.random() * self.pause
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            self.act()
            due = max(due + self.pause, time.monotonic())
        self.close()

    def act(self) -> None:
        raise NotImplementedError

    def request(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], *, ok: tuple[int, ...] = (200,)
    ) -> int:
        """Send a request; return its status, 0 if the connection failed."""
        started = time.perf_counter()
        is_new = self._connection is None
        connection = self._connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        self._connection = connection
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if (
                isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)
                and not is_new
            ):
                # the server closed an idle connection, as all clients must expect; those of SDKs open another one
                return self.request(method, target, body, headers, ok=ok)
            self.tally.errors[type(error).__name__] += 1
            return 0
        self.tally.latencies.append(time.perf_counter() - started)
        if response.status not in ok:
            self.tally.errors[f"HTTP {response.status}"] += 1
        if response.will_close:
            self.close()
        return response.status

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class CollectorThread(LoadThread):
    """Sends batches, each until it is accepted, as SDKs do, and counts what it sent."""

    def __init__(self, number: int, *arguments: Any, write_key: str, products: int, **options: Any) -> None:
        super().__init__(f"collector-{number}", *arguments, **options)
        token = base64.b64encode(f"{write_key}:".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        self.number, self.products, self.batches, self.orders = number, products, 0, 0
        self.money = Decimal(0)
        self.unaccepted = 0

    @property
    def events(self) -> int:
        return self.batches * BATCH_EVENTS

    def act(self) -> None:
        body = json.dumps({"batch": [self.make_event(position) for position in range(BATCH_EVENTS)]}).encode()
        self.batches += 1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.request("POST", "/v1/batch", body, self.headers) != 200:
            if time.monotonic() > deadline:
                self.unaccepted += BATCH_EVENTS
                return
            time.sleep(0.25)

    def make_event(self, position: int) -> dict[str, Any]:
        name = f"{self.number}-{self.batches}-{position}"
        product = f"p{self._draws.randrange(self.products)}"
        event: dict[str, Any] = {
            "type": "track",
            "messageId": f"soak-{name}",
            "userId": f"soak-{self._draws.randrange(2_000)}",
            "timestamp": datetime.now(UTC).isoformat(),
            "event": "Product Viewed",
            "properties": {"product_id": product},
        }
        if position == 0 and self.batches % ORDER_EVERY == 0:
            price = Decimal(self._draws.randrange(100, 10_000)) / 100
            self.orders += 1
            self.money += price
            line = {"product_id": product, "quantity": 1, "price": float(price)}
            event |= {
                "event": "Order Completed",
                "properties": {
                    "order_id": f"soak-{name}",
                    "total": float(price),
                    "currency": "USD",
                    "products": [line],
                },
            }
        return event


class ReaderThread(LoadThread):
    """Sends GET requests of one kind."""

    def __init__(self, part: str, *arguments: Any, targets: list[str], headers: dict[str, str], **options: Any) -> None:
        super().__init__(part, *arguments, **options)
        self.targets, self.headers = targets, headers

    def act(self) -> None:
        self.request("GET", self._draws.choice(self.targets), None, self.headers)
