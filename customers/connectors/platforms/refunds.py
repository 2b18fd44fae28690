"""Refunds with lines become returns: documents of their own with negative quantities, see decision 5."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from customers.connectors.platforms.values import read_amount

OF_ORDER = ("user_id", "email", "currency", "channel", "country")


@dataclass(frozen=True)
class ReturnedGoods:
    """Goods that came back. amount: what was paid back, with shipping and tax; lines: with negative quantities."""

    return_id: str
    returned_at: str
    amount: Decimal
    lines: Sequence[Mapping[str, Any]]


def add_returns(order: Mapping[str, Any], returns: Sequence[ReturnedGoods]) -> list[Mapping[str, Any]]:
    """Return an order and its returns as items of ``upsert_orders``.

    What a return pays back is taken off the refunded amount of the order, so that revenue = totals of sales − refunded − totals of returns
    counts it once; what was refunded without goods stays with the order.
    """
    if not returns or order["status"] == "cancelled":
        return [order]
    rest = max(read_amount(order["refunded"]) - sum((goods.amount for goods in returns), Decimal(0)), Decimal(0))
    status = "partly_refunded" if rest else "placed"
    documents = [build_return(order, goods) for goods in returns]
    return [{**order, "refunded": str(rest), "status": status}, *documents]


def build_returned_line(line: Mapping[str, Any], *, quantity: Decimal, amount: Decimal) -> dict[str, Any]:
    """Return the line of a return from that of the sale: its price is what was paid for a piece after all discounts."""
    return {
        **line,
        "quantity": format(-quantity.normalize(), "f"),
        "unit_price": str((amount / quantity).quantize(Decimal("0.0001"))),
        "discount": "0",
        "total": str(-amount.quantize(Decimal("0.01"))),
    }


def build_return(order: Mapping[str, Any], goods: ReturnedGoods) -> dict[str, Any]:
    return {
        **{name: order[name] for name in OF_ORDER if name in order},
        "order_id": goods.return_id,
        "placed_at": goods.returned_at,
        "total": str(-goods.amount),
        "lines": list(goods.lines),
    }
