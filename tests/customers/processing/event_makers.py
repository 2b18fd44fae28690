"""Functions that build events and orders, send them through the collector and process them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from customers.events.collector.event_store import StoreResult
from customers.events.collector.ingest import ingest_items
from customers.events.models import Source
from customers.processing.batch import ProcessingResult
from customers.processing.pipeline import process_events
from tests.makers import make_source

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def send(*items: dict[str, Any], source: Source | None = None, at: datetime = NOW) -> StoreResult:
    """Send the items as one call received at ``at``, which is also the time of items without one."""
    texts = [json.dumps({"type": "track", **item}).encode() for item in items]
    result = ingest_items(
        source=source or make_source("web", kind="server"), items=texts, call_type=None, sent_at=None, received_at=at
    )
    assert not result.rejected, result.rejected
    return result


def track(name: str, properties: dict[str, Any] | None = None, **item: Any) -> dict[str, Any]:
    return {
        "event": name,
        "properties": properties or {},
        **({"userId": "ada"} if not has_identifier(item) else {}),
        **item,
    }


def has_identifier(item: dict[str, Any]) -> bool:
    return "userId" in item or "anonymousId" in item


def order(name: str = "Order Completed", order_id: str | None = "A1", **properties: Any) -> dict[str, Any]:
    values = {"order_id": order_id, **properties} if order_id is not None else properties
    return track(name, values)


def product(product_id: str = "tea", price: Any = "10.00", quantity: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"product_id": product_id, "price": price, "quantity": quantity, **fields}


def process(at: datetime = NOW + SECOND, **options: Any) -> ProcessingResult:
    return process_events(at=at, **options)


def at_minutes(items: Sequence[dict[str, Any]], start: datetime = NOW - timedelta(hours=1)) -> list[dict[str, Any]]:
    """Return the items with timestamps one minute apart."""
    return [
        {**item, "timestamp": (start + number * timedelta(minutes=1)).isoformat()} for number, item in enumerate(items)
    ]
