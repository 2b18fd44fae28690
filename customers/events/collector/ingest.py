"""The one way in: items as text, however they came (HTTP, replay, a file, GA4), are decoded and recorded here."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from customers.events.collector.event_store import Recorded, Refusal, record_events
from customers.events.collector.parsing import EventRow, Frame, ItemError, decode_item, row_of
from customers.events.models import Source
from customers.events.recent.interactions import remember_interactions
from customers.events.sources.write_keys import KnownSource

type Record = Callable[[Sequence[EventRow], Sequence[Refusal]], Recorded]


def take_items(
    *,
    source: Source | KnownSource,
    items: Sequence[bytes],
    call_type: str | None,
    sent_at: Any,
    received_at: datetime,
    opted_out: bool = False,
) -> Recorded:
    """Stores the items of one source, each a JSON text; a bad one is kept with its reason and spoils no other.

    ``call_type`` says what all of them are (None: each says it itself), ``sent_at`` is what the sender's clock showed,
    ``opted_out`` that their sender asked not to be tracked. Inside a transaction this takes part in it; the recent list is
    written at once all the same, where an event too many harms nobody.
    """
    frame = Frame(source.id, received_at, call_type, sent_at, opted_out)
    rows, refusals = read_items(enumerate(items), frame)
    return record_and_remember(rows, refusals)


def record_and_remember(rows: Sequence[EventRow], refusals: Sequence[Refusal]) -> Recorded:
    recorded = record_events(rows=rows, refusals=refusals)
    remember_interactions(recorded.rows)
    return recorded


def read_items(items: Iterable[tuple[int, bytes]], frame: Frame) -> tuple[list[EventRow], list[Refusal]]:
    """Rows and refusals of numbered items."""
    rows, refusals = [], []
    for index, data in items:
        try:
            rows.append(row_of(decode_item(data), index=index, raw=data, frame=frame))
        except ItemError as error:
            refusals.append(refusal_of(index, data, error, frame))
        except RecursionError:
            deep = ItemError("nested_too_deeply", "The event is nested too deeply.")
            refusals.append(refusal_of(index, data, deep, frame))
    return rows, refusals


def refusal_of(index: int, data: bytes, error: ItemError, frame: Frame) -> Refusal:
    return Refusal(index, data.decode(errors="replace"), error.code, error.reason, frame)
