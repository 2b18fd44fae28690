"""Events as the collector passes them to the recent interactions."""

from datetime import timedelta
from decimal import Decimal

from customers.events.collector.parsing import EventRow, RequestContext, StoredEvent
from tests.makers import NOON


def make_event_row(product_id: str, *, minutes: float = 0, meaning: str = "view", **fields: str) -> EventRow:
    stored = StoredEvent(
        source_id=1,
        received_at=NOON + timedelta(minutes=minutes),
        message_id="m",
        type="track",
        name="",
        occurred_at=NOON + timedelta(minutes=minutes),
        session_id="",
        product_ids=[product_id],
        value=Decimal(0),
        currency="",
        properties=b"{}",
        context=b"{}",
        recommendation_id="",
        **fields,
    )
    return EventRow(0, stored, b"", RequestContext(1, NOON), meaning)
