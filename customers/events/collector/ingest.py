"""The single entry point of events: items from HTTP, replays, files and GA4 are parsed and stored here."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from config.foundation.agents.recognition import AgentClaim
from customers.events.collector.event_store import RejectedItem, StoreResult, count_items, record_events
from customers.events.collector.items import DecodeItem, ItemError, decode_item
from customers.events.collector.parsing import EventRow, RequestContext, build_row
from customers.events.models import Source
from customers.events.recent.interactions import remember_interactions
from customers.events.sources.user_tokens import read_token_key
from customers.events.sources.write_keys import KnownSource


class PendingResult(Protocol):
    """The result of a call that is available later."""

    def get_result(self) -> StoreResult:
        """Return the result or raise the error, once the call is finished."""

    def wait(self) -> StoreResult:
        """Wait for the result and return it, or raise the error; instead of `when_finished`."""

    def when_finished(self, callback: Callable[[], None]) -> None:
        """Call a function once when the call is finished, in any thread."""


type StoreFunction = Callable[[Sequence[EventRow], Sequence[RejectedItem]], StoreResult | PendingResult]


def ingest_items(
    *,
    source: Source | KnownSource,
    items: Sequence[bytes],
    call_type: str | None,
    sent_at: Any,
    received_at: datetime,
    opted_out: bool = False,
    stored_at: datetime | None = None,
) -> StoreResult:
    """Store the items of one source; an unusable item is kept with its reason and does not affect the others.

    Inside a transaction this takes part in it. The recent interactions are written immediately all the same: if the transaction
    is rolled back, an extra interaction does no harm.

    Args:
        items: each a JSON text.
        call_type: the type of all items; None if each item states its own.
        sent_at: the sender's clock when it sent the call.
        opted_out: whether the sender asked not to be tracked.
        stored_at: the current time if it is much later than ``received_at``.
    """
    context = build_context(
        source=source, received_at=received_at, call_type=call_type, sent_at=sent_at, opted_out=opted_out
    )
    rows, rejected = parse_items(enumerate(items), context)
    return store_and_remember(rows, rejected, stored_at=stored_at)


def build_context(
    *,
    source: Source | KnownSource,
    received_at: datetime,
    call_type: str | None = None,
    sent_at: Any = None,
    opted_out: bool = False,
    user_token: str = "",
    agent: AgentClaim | None = None,
) -> RequestContext:
    """Return the values that the items of a call inherit from it and from its source."""
    if source.is_trusted:
        return RequestContext(source.id, received_at, call_type, sent_at, opted_out, is_sandbox=source.is_sandbox)
    token_key = read_token_key(source.sealed_token_key) if source.requires_user_token else None
    return RequestContext(
        source.id,
        received_at,
        call_type,
        sent_at,
        opted_out,
        token_key,
        user_token,
        is_trusted=False,
        is_sandbox=source.is_sandbox,
        agent=agent,
    )


def store_and_remember(
    rows: Sequence[EventRow], rejected: Sequence[RejectedItem], *, stored_at: datetime | None = None
) -> StoreResult:
    """Store events, then add the new ones to the recent interactions."""
    result = record_events(rows=rows, rejected=rejected)
    count_items([result])
    remember_interactions(result.rows, stored_at=stored_at)
    return result


def parse_items(
    items: Iterable[tuple[int, bytes]], context: RequestContext, decode: DecodeItem = decode_item
) -> tuple[list[EventRow], list[RejectedItem]]:
    """Parse numbered items into rows and rejected items."""
    rows: list[EventRow] = []
    rejected: list[RejectedItem] = []
    for index, data in items:
        try:
            rows.append(build_row(decode(data), index=index, raw=data, context=context))
        except ItemError as error:
            rejected.append(reject_item(index, data, error, context))
    return rows, rejected


def reject_item(index: int, data: bytes, error: ItemError, context: RequestContext) -> RejectedItem:
    """Return the rejected item for an error."""
    return RejectedItem(index, data.decode(errors="replace"), error.code, error.reason, context)
