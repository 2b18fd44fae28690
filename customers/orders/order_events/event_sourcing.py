"""Derives an order from its log: all of its events, whatever the order of their arrival, and the states that imports left.

The entries are sorted by the time they occurred. Order Completed and Order Updated describe the purchase: the last one that lists
products sets lines and amounts, later ones without products change only the fields that they have. An import states the whole order and
replaces what was there before. Refunds add up to at most the order's total; a cancellation by an event is final. Without Order Completed
or an import there is no order.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from customers.events.dead_letters.message_ids import build_new_message_id

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
    """One event of an order, or the state in which an import left the order."""

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

    ``lines`` is None if the imported lines are still valid. The buyer's IDs are empty if no event has them. ``keeps_customer``: an import
    knew the customer, and no event since names a user ID. ``unmatched_returns``: the message IDs of refunds with a returned product that
    counts as 0, because it is not in the order and has no price, and the product.
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
    keeps_customer: bool
    unmatched_returns: Mapping[str, str]


class Buyer(NamedTuple):
    """Who bought, as far as the log says."""

    user_id: str
    anonymous_id: str
    guest_email_hash: str
    keeps_customer: bool


def derive_order(
    events: Iterable[LoggedOrderEvent],
    *,
    currency: str,
    keeps_imported_lines: bool = True,
    product_keys: Mapping[str, int] = MappingProxyType({}),
) -> DerivedOrder | None:
    """Return the order, or None if no event has completed it.

    ``currency`` is the currency of events without one. ``keeps_imported_lines``: imported lines that are still valid need not be
    written again. ``product_keys``: the database IDs of the products in the log, which have the same key by their ID and by their SKU.
    """
    log = sort_log(events)
    initial_events = [event for event in log if event.kind in (IMPORTED, COMPLETED)]
    if not initial_events:
        return None
    purchases = select_purchases(log)
    details, lines, has_imported_lines = merge_purchase_events(purchases)
    amounts = sum_amounts(details, lines)
    imported = next((number for number in reversed(range(len(log))) if log[number].kind == IMPORTED), None)
    state = {} if imported is None else log[imported].content
    price_paid = PricePaid(lines=lines, amounts=amounts, currency=details.get("currency", currency), keys=product_keys)
    refunds = select_refunds(log)
    refunded, refund_status = sum_refunds(
        refunds, log=log, imported=imported, total=amounts["total"], price_paid=price_paid
    )
    buyer = find_buyer(purchases)
    is_cancelled = state.get("status") == "cancelled" or any(event.kind == CANCELLED for event in log)
    placed_at = state.get("placed_at")  # missing in entries of earlier versions, which have it as their time
    return DerivedOrder(
        placed_at=datetime.fromisoformat(placed_at) if placed_at else initial_events[0].occurred_at,
        status="cancelled" if is_cancelled else refund_status,
        currency=details.get("currency", currency),
        refunded=refunded,
        coupon=details.get("coupon", ""),
        channel=details.get("channel", ""),
        lines=None if has_imported_lines and keeps_imported_lines else lines,
        user_id=buyer.user_id,
        anonymous_id=buyer.anonymous_id,
        guest_email_hash=buyer.guest_email_hash,
        keeps_customer=buyer.keeps_customer,
        unmatched_returns=find_unmatched_returns(refunds, price_paid),
        **amounts,
    )


def sort_log(events: Iterable[LoggedOrderEvent]) -> list[LoggedOrderEvent]:
    return sorted(events, key=lambda event: (event.occurred_at, EVENT_TYPES.index(event.kind), event.message_id))


def select_purchases(log: Sequence[LoggedOrderEvent]) -> list[LoggedOrderEvent]:
    """Return the entries that describe the purchase and its buyer."""
    return [event for event in log if event.kind in (IMPORTED, COMPLETED, UPDATED)]


def merge_purchase_events(
    purchases: Sequence[LoggedOrderEvent],
) -> tuple[dict[str, Any], Sequence[Mapping[str, Any]], bool]:
    """Return the final details, the lines, and whether the lines are the imported ones."""
    details: dict[str, Any] = {}
    lines: Sequence[Mapping[str, Any]] = ()
    has_imported_lines = False
    for event in purchases:
        # an empty list means that an event has none: SDK wrappers send [] for a missing value
        if event.content.get("lines") or (event.kind == IMPORTED and "lines" in event.content):
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


@dataclass(frozen=True, slots=True)
class PricePaid:
    """The prices that a refund without an amount refers to.

    ``keys`` are the keys of products, by what the shop calls them.
    """

    lines: Sequence[Mapping[str, Any]]
    amounts: Mapping[str, Decimal]
    currency: str
    keys: Mapping[str, int]

    def get_key(self, product_id: str) -> int | str:
        return self.keys.get(product_id, product_id)

    def find_lines(self, returned: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the lines of a returned product."""
        key = self.get_key(returned["product_id"])
        return [line for line in self.lines if self.get_key(line["product_id"]) == key]

    def compute_paid_share(self) -> Decimal:
        """Return the share of the line totals that was paid after the discount on the order; 1 if the lines contain the discount."""
        subtotal, discount = self.amounts["subtotal"], self.amounts["discount"]
        if subtotal <= 0 or discount <= 0:
            return Decimal(1)
        gap = max(subtotal + self.amounts["shipping"] + self.amounts["tax"] - self.amounts["total"], ZERO)
        on_lines = sum((Decimal(line["discount"]) for line in self.lines), ZERO)
        # prices that include the tax leave a gap, too, so the sum of the lines' discounts has to be compared as well
        if on_lines >= discount and gap != discount:
            return Decimal(1)
        return max(subtotal - min(discount, gap), ZERO) / subtotal


def select_refunds(log: Sequence[LoggedOrderEvent]) -> list[LoggedOrderEvent]:
    """Return each refund once; one that was corrected after it was reported counts as corrected."""
    message_ids = {event.message_id for event in log}
    refunds = [event for event in log if event.kind == REFUNDED]
    return drop_repeated_refunds(
        [event for event in refunds if build_new_message_id(event.message_id) not in message_ids]
    )


def sum_refunds(
    refunds: Sequence[LoggedOrderEvent],
    *,
    log: Sequence[LoggedOrderEvent],
    imported: int | None,
    total: Decimal,
    price_paid: PricePaid,
) -> tuple[Decimal, str]:
    """Return the refunded total and the resulting order status.

    ``imported`` is the position of the latest import in the log. Its amount may contain the refunds before it, so the higher of the two
    counts; later refunds are added.
    """
    earlier = set() if imported is None else {event.message_id for event in log[:imported]}
    state = {} if imported is None else log[imported].content
    is_full = state.get("status") == "refunded"
    before, after = ZERO, ZERO
    for event in refunds:
        amount = compute_refund_amount(event.content, price_paid)
        is_full |= amount is None
        if event.message_id in earlier:
            before += amount or ZERO
        else:
            after += amount or ZERO
    refunded = max(Decimal(state.get("refunded", ZERO)), before) + after
    if is_full or (refunded >= total and refunded > 0):
        return total, "refunded"
    is_partial = bool(refunds) or refunded > 0 or state.get("status") == "partly_refunded"
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


def compute_refund_amount(content: Mapping[str, Any], price_paid: PricePaid) -> Decimal | None:
    """Return the amount of one refund; None for a full refund.

    Products are worth the price in the refund, or else the price paid. An amount in another currency than the order's cannot
    be compared and counts as 0.
    """
    foreign = is_foreign(content, price_paid)
    if "amount" in content and not foreign:
        return Decimal(content["amount"])
    if "products" in content:
        return sum(
            (compute_returned_value(product, price_paid, foreign=foreign) for product in content["products"]), ZERO
        ).quantize(CENT, ROUND_HALF_UP)
    return ZERO if foreign and "amount" in content else None


def is_foreign(content: Mapping[str, Any], price_paid: PricePaid) -> bool:
    """Return whether a refund is in another currency than its order."""
    return bool(content.get("currency", price_paid.currency) != price_paid.currency)


def find_unmatched_returns(refunds: Iterable[LoggedOrderEvent], price_paid: PricePaid) -> dict[str, str]:
    """Return the first returned product of each refund that counts as 0, because it is not in the order and has no price."""
    return {
        event.message_id: product["product_id"]
        for event in refunds
        for product in reversed(event.content.get("products", ()))
        if ("amount" not in event.content or is_foreign(event.content, price_paid))
        and (product["price"] is None or is_foreign(event.content, price_paid))
        and not price_paid.find_lines(product)
    }


def compute_returned_value(returned: Mapping[str, Any], price_paid: PricePaid, *, foreign: bool) -> Decimal:
    bought = price_paid.find_lines(returned)
    bought_quantity = sum((Decimal(line["quantity"]) for line in bought), ZERO)
    paid = sum((Decimal(line["total"]) for line in bought), ZERO) * price_paid.compute_paid_share()
    returned_quantity = (
        Decimal(returned["quantity"]) if returned["quantity"] is not None else bought_quantity or Decimal(1)
    )
    if returned["price"] is not None and not foreign:
        return Decimal(returned["price"]) * returned_quantity
    return paid * min(returned_quantity, bought_quantity) / bought_quantity if bought_quantity else ZERO


def find_buyer(purchases: Sequence[LoggedOrderEvent]) -> Buyer:
    """Return the buyer of an order.

    A user ID takes precedence over a visitor ID, and a later event over an earlier one. What came before an import that knew the customer
    no longer counts.
    """
    known = next((number for number in reversed(range(len(purchases))) if knows_customer(purchases[number])), None)
    recent = purchases if known is None else purchases[known:]
    user_id = next((event.user_id for event in reversed(recent) if event.user_id), "")
    if user_id:
        return Buyer(user_id, "", "", keeps_customer=False)
    anonymous_id = next((event.anonymous_id for event in reversed(recent) if event.anonymous_id), "")
    return Buyer("", anonymous_id, find_guest_email_hash(recent), keeps_customer=known is not None)


def knows_customer(event: LoggedOrderEvent) -> bool:
    # entries of earlier versions do not say it; their orders have a customer or are those of guests, which have none to keep
    return event.kind == IMPORTED and event.content.get("customer", True)


def find_guest_email_hash(purchases: Sequence[LoggedOrderEvent]) -> str:
    return next((event.guest_email_hash for event in reversed(purchases) if event.guest_email_hash), "")
