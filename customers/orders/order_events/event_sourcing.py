"""What an order is, told from everything that was said about it, in whatever order that arrived.

The events are put in the order in which they happened. Order Completed and Order Updated state what was bought: the last one that
lists products sets lines and amounts, later ones without products change only the fields they name. Refunds add up to the order's
total at most; a cancellation is final. Before Order Completed there is no order.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

IMPORTED, COMPLETED, UPDATED, REFUNDED, CANCELLED = "imported", "completed", "updated", "refunded", "cancelled"
KINDS = (IMPORTED, COMPLETED, UPDATED, REFUNDED, CANCELLED)
AMOUNTS = ("subtotal", "discount", "shipping", "tax", "total", "revenue", "value")
DESCRIPTIONS = ("currency", "coupon", "channel")
# two refunds of the same content within this time are one that was sent twice, unless refund_id tells them apart
SAME_REFUND = timedelta(hours=1)
CENT = Decimal("0.01")
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class OrderFact:
    """One event of an order, or the order as it was imported before its first event."""

    kind: str
    occurred_at: datetime
    message_id: str
    content: Mapping[str, Any]
    user_id: str = ""
    anonymous_id: str = ""
    guest_email_hash: str = ""


@dataclass(frozen=True, slots=True)
class FoldedOrder:
    """``lines`` is None where they are those of the import; who ordered is empty where no event said it."""

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


def fold_order(facts: Iterable[OrderFact], *, currency: str) -> FoldedOrder | None:
    """The order; None before it was completed. ``currency`` is that of events that name none."""
    told = sorted(facts, key=lambda fact: (fact.occurred_at, KINDS.index(fact.kind), fact.message_id))
    begun = [fact for fact in told if fact.kind in (IMPORTED, COMPLETED)]
    if not begun:
        return None
    statements = [fact for fact in told if fact.kind in (IMPORTED, COMPLETED, UPDATED)]
    said, lines, imported_lines = merge_statements(statements)
    amounts = total_up(said, lines)
    refunded, refund_status = fold_refunds(
        [fact for fact in told if fact.kind == REFUNDED],
        lines=lines,
        total=amounts["total"],
        currency=said.get("currency", currency),
        before=next((fact.content for fact in begun if fact.kind == IMPORTED), {}),
    )
    cancelled = any(fact.kind == CANCELLED or fact.content.get("status") == "cancelled" for fact in told)
    user_id, anonymous_id, guest_email_hash = whose(statements)
    return FoldedOrder(
        placed_at=begun[0].occurred_at,
        status="cancelled" if cancelled else refund_status,
        currency=said.get("currency", currency),
        refunded=refunded,
        coupon=said.get("coupon", ""),
        channel=said.get("channel", ""),
        lines=None if imported_lines else lines,
        user_id=user_id,
        anonymous_id=anonymous_id,
        guest_email_hash=guest_email_hash,
        **amounts,
    )


def merge_statements(statements: Sequence[OrderFact]) -> tuple[dict[str, Any], Sequence[Mapping[str, Any]], bool]:
    """What holds in the end, the lines, and whether these are the import's."""
    said: dict[str, Any] = {}
    lines: Sequence[Mapping[str, Any]] = ()
    imported_lines = False
    for fact in statements:
        if "lines" in fact.content:
            lines, imported_lines = fact.content["lines"], fact.kind == IMPORTED
            said = {name: value for name, value in said.items() if name not in AMOUNTS}
        said |= {name: fact.content[name] for name in (*AMOUNTS, *DESCRIPTIONS) if name in fact.content}
    return said, lines, imported_lines


def total_up(said: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    """The amounts; a total that is not stated follows: revenue and GA4's value leave out shipping and tax."""
    amounts = {name: Decimal(said.get(name, NOTHING)) for name in ("discount", "shipping", "tax")}
    amounts["subtotal"] = (
        sum((Decimal(line["total"]) for line in lines), NOTHING) if lines else Decimal(said.get("subtotal", NOTHING))
    )
    extra = amounts["shipping"] + amounts["tax"]
    if "total" in said:
        total = Decimal(said["total"])
    elif stated := said.get("revenue", said.get("value")):
        total = Decimal(stated) + extra
    else:
        total = max(amounts["subtotal"] - amounts["discount"], NOTHING) + extra
    return amounts | {"total": total}


def fold_refunds(
    refunds: Sequence[OrderFact],
    *,
    lines: Sequence[Mapping[str, Any]],
    total: Decimal,
    currency: str,
    before: Mapping[str, Any],
) -> tuple[Decimal, str]:
    """What was given back in all, and the status that this makes."""
    refunded = Decimal(before.get("refunded", NOTHING))
    everything = before.get("status") == "refunded"
    for fact in distinct_refunds(refunds):
        amount = value_of_refund(fact.content, lines=lines, currency=currency)
        everything |= amount is None
        refunded += amount or NOTHING
    if everything or (refunded >= total and refunded > 0):
        return total, "refunded"
    some = bool(refunds) or refunded > 0 or before.get("status") == "partly_refunded"
    return refunded, "partly_refunded" if some else "placed"


def distinct_refunds(refunds: Sequence[OrderFact]) -> list[OrderFact]:
    """Each refund once, by its refund_id or else by its content and time; ``refunds`` are in the order of time."""
    kept: list[OrderFact] = []
    latest: dict[str, datetime] = {}
    for fact in refunds:
        refund_id = fact.content.get("refund_id")
        key = f"id:{refund_id}" if refund_id else json.dumps(fact.content, sort_keys=True)
        known = latest.get(key)
        if known is None or (not refund_id and fact.occurred_at - known >= SAME_REFUND):
            latest[key] = fact.occurred_at
            kept.append(fact)
    return kept


def value_of_refund(content: Mapping[str, Any], *, lines: Sequence[Mapping[str, Any]], currency: str) -> Decimal | None:
    """The money of one refund; None for everything.

    Products are worth what the refund says, else what was paid for them. An amount in a currency other than the order's cannot
    be compared and counts nothing.
    """
    foreign = content.get("currency", currency) != currency
    if "amount" in content and not foreign:
        return Decimal(content["amount"])
    if "products" in content:
        return sum((value_of_returned(one, lines, foreign=foreign) for one in content["products"]), NOTHING).quantize(
            CENT, ROUND_HALF_UP
        )
    return NOTHING if foreign and "amount" in content else None


def value_of_returned(returned: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], *, foreign: bool) -> Decimal:
    bought = [line for line in lines if line["product_id"] == returned["product_id"]]
    pieces = sum((Decimal(line["quantity"]) for line in bought), NOTHING)
    paid = sum((Decimal(line["total"]) for line in bought), NOTHING)
    wanted = Decimal(returned["quantity"]) if returned["quantity"] is not None else pieces or Decimal(1)
    if returned["price"] is not None and not foreign:
        return Decimal(returned["price"]) * wanted
    return paid * min(wanted, pieces) / pieces if pieces else NOTHING


def whose(statements: Sequence[OrderFact]) -> tuple[str, str, str]:
    """User id, visitor's id and guest's e-mail hash: a named user before a visitor, the later statement before the earlier."""
    for name in ("user_id", "anonymous_id"):
        for fact in reversed(statements):
            if value := getattr(fact, name):
                return (value, "", "") if name == "user_id" else ("", value, guest_email(statements))
    return "", "", guest_email(statements)


def guest_email(statements: Sequence[OrderFact]) -> str:
    return next((fact.guest_email_hash for fact in reversed(statements) if fact.guest_email_hash), "")
