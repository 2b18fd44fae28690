"""Derives an order from all of its events, whatever the order of their arrival.

The events are sorted by the time they occurred. Order Completed and Order Updated describe the purchase: the last one that lists
products sets lines and amounts, later ones without products change only the fields that they have. Refunds add up to at most the
order's total; a cancellation is final. Without Order Completed there is no order.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

IMPORTED, COMPLETED, UPDATED, REFUNDED, CANCELLED = "imported", "completed", "updated", "refunded", "cancelled"
EVENT_TYPES = (IMPORTED, COMPLETED, UPDATED, REFUNDED, CANCELLED)
AMOUNTS = ("subtotal", "discount", "shipping", "tax", "total", "revenue", "value")
DESCRIPTIONS = ("currency", "coupon", "channel")
# two refunds with the same content within this time are one refund sent twice, unless their refund_id differs
SAME_REFUND = timedelta(hours=1)
CENT = Decimal("0.01")
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class LoggedOrderEvent:
    """One event of an order, or the state in which the order was imported before its first event."""

    kind: str
    occurred_at: datetime
    message_id: str
    content: Mapping[str, Any]
    user_id: str = ""
    anonymous_id: str = ""
    guest_email_hash: str = ""


@dataclass(frozen=True, slots=True)
class DerivedOrder:
    """The order that its events describe.

    ``lines`` is None if the imported lines are still valid. The buyer's IDs are empty if no event has them.
    """

    placed_at: datetime
    status: str
    currency: str
    subtotal: Decimal
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    total: Decimal
    refunded: Decimal
    coupon: str
    channel: str
    lines: Sequence[Mapping[str, Any]] | None
    user_id: str
    anonymous_id: str
    guest_email_hash: str


def derive_order(
    events: Iterable[LoggedOrderEvent], *, currency: str, keeps_imported_lines: bool = True
) -> DerivedOrder | None:
    """Return the order, or None if no event has completed it.

    ``currency`` is the currency of events without one. ``keeps_imported_lines``: imported lines that are still valid need not be
    written again.
    """
    log = sorted(events, key=lambda event: (event.occurred_at, EVENT_TYPES.index(event.kind), event.message_id))
    initial_events = [event for event in log if event.kind in (IMPORTED, COMPLETED)]
    if not initial_events:
        return None
    purchases = [event for event in log if event.kind in (IMPORTED, COMPLETED, UPDATED)]
    details, lines, has_imported_lines = merge_purchase_events(purchases)
    amounts = sum_amounts(details, lines)
    refunded, refund_status = sum_refunds(
        [event for event in log if event.kind == REFUNDED],
        lines=lines,
        total=amounts["total"],
        currency=details.get("currency", currency),
        imported_content=next((event.content for event in initial_events if event.kind == IMPORTED), {}),
    )
    cancelled = any(event.kind == CANCELLED or event.content.get("status") == "cancelled" for event in log)
    user_id, anonymous_id, guest_email_hash = find_buyer(purchases)
    return DerivedOrder(
        placed_at=initial_events[0].occurred_at,
        status="cancelled" if cancelled else refund_status,
        currency=details.get("currency", currency),
        refunded=refunded,
        coupon=details.get("coupon", ""),
        channel=details.get("channel", ""),
        lines=None if has_imported_lines and keeps_imported_lines else lines,
        user_id=user_id,
        anonymous_id=anonymous_id,
        guest_email_hash=guest_email_hash,
        **amounts,
    )


def merge_purchase_events(
    purchases: Sequence[LoggedOrderEvent],
) -> tuple[dict[str, Any], Sequence[Mapping[str, Any]], bool]:
    """Return the final details, the lines, and whether the lines are the imported ones."""
    details: dict[str, Any] = {}
    lines: Sequence[Mapping[str, Any]] = ()
    has_imported_lines = False
    for event in purchases:
        if "lines" in event.content:
            lines, has_imported_lines = event.content["lines"], event.kind == IMPORTED
            details = {name: value for name, value in details.items() if name not in AMOUNTS}
        details |= {name: event.content[name] for name in (*AMOUNTS, *DESCRIPTIONS) if name in event.content}
    return details, lines, has_imported_lines


def sum_amounts(details: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return the amounts.

    A missing total is computed from revenue or GA4's value, which exclude shipping and tax, or else from the lines.
    """
    amounts = {name: Decimal(details.get(name, ZERO)) for name in ("discount", "shipping", "tax")}
    amounts["subtotal"] = (
        sum((Decimal(line["total"]) for line in lines), ZERO) if lines else Decimal(details.get("subtotal", ZERO))
    )
    extra = amounts["shipping"] + amounts["tax"]
    if "total" in details:
        total = Decimal(details["total"])
    elif net := details.get("revenue", details.get("value")):
        total = Decimal(net) + extra
    else:
        total = max(amounts["subtotal"] - amounts["discount"], ZERO) + extra
    return amounts | {"total": total}


def sum_refunds(
    refunds: Sequence[LoggedOrderEvent],
    *,
    lines: Sequence[Mapping[str, Any]],
    total: Decimal,
    currency: str,
    imported_content: Mapping[str, Any],
) -> tuple[Decimal, str]:
    """Return the refunded total and the resulting order status."""
    refunded = Decimal(imported_content.get("refunded", ZERO))
    is_full = imported_content.get("status") == "refunded"
    for event in drop_repeated_refunds(refunds):
        amount = compute_refund_amount(event.content, lines=lines, currency=currency)
        is_full |= amount is None
        refunded += amount or ZERO
    if is_full or (refunded >= total and refunded > 0):
        return total, "refunded"
    is_partial = bool(refunds) or refunded > 0 or imported_content.get("status") == "partly_refunded"
    return refunded, "partly_refunded" if is_partial else "placed"


def drop_repeated_refunds(refunds: Sequence[LoggedOrderEvent]) -> list[LoggedOrderEvent]:
    """Return each refund once, identified by its refund_id or else by content and time.

    ``refunds`` are sorted by time.
    """
    distinct: list[LoggedOrderEvent] = []
    latest: dict[str, datetime] = {}
    for event in refunds:
        refund_id = event.content.get("refund_id")
        key = f"id:{refund_id}" if refund_id else json.dumps(event.content, sort_keys=True)
        previous = latest.get(key)
        if previous is None or (not refund_id and event.occurred_at - previous >= SAME_REFUND):
            latest[key] = event.occurred_at
            distinct.append(event)
    return distinct


def compute_refund_amount(
    content: Mapping[str, Any], *, lines: Sequence[Mapping[str, Any]], currency: str
) -> Decimal | None:
    """Return the amount of one refund; None for a full refund.

    Products are worth the price in the refund, or else the price paid. An amount in another currency than the order's cannot
    be compared and counts as 0.
    """
    foreign = content.get("currency", currency) != currency
    if "amount" in content and not foreign:
        return Decimal(content["amount"])
    if "products" in content:
        return sum(
            (compute_returned_value(product, lines, foreign=foreign) for product in content["products"]), ZERO
        ).quantize(CENT, ROUND_HALF_UP)
    return ZERO if foreign and "amount" in content else None


def compute_returned_value(
    returned: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], *, foreign: bool
) -> Decimal:
    bought = [line for line in lines if line["product_id"] == returned["product_id"]]
    bought_quantity = sum((Decimal(line["quantity"]) for line in bought), ZERO)
    paid = sum((Decimal(line["total"]) for line in bought), ZERO)
    returned_quantity = (
        Decimal(returned["quantity"]) if returned["quantity"] is not None else bought_quantity or Decimal(1)
    )
    if returned["price"] is not None and not foreign:
        return Decimal(returned["price"]) * returned_quantity
    return paid * min(returned_quantity, bought_quantity) / bought_quantity if bought_quantity else ZERO


def find_buyer(purchases: Sequence[LoggedOrderEvent]) -> tuple[str, str, str]:
    """Return user ID, visitor ID and guest e-mail hash.

    A user ID takes precedence over a visitor ID, and a later event over an earlier one.
    """
    for name in ("user_id", "anonymous_id"):
        for event in reversed(purchases):
            if value := getattr(event, name):
                return (value, "", "") if name == "user_id" else ("", value, find_guest_email_hash(purchases))
    return "", "", find_guest_email_hash(purchases)


def find_guest_email_hash(purchases: Sequence[LoggedOrderEvent]) -> str:
    return next((event.guest_email_hash for event in reversed(purchases) if event.guest_email_hash), "")
