"""What orders and returns add to revenue, and in which currency.

An order in another currency adds 0, because there are no exchange rates. `warehouse_amounts` has the same amounts for the warehouse.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Case, DecimalField, F, Value, When
from django.db.models.functions import Abs
from psycopg import sql

from config.foundation.shop.profile import get_shop
from customers.orders.models import Order

COUNT_BY_CURRENCY = """
    SELECT currency, count(*) FROM orders_order
    WHERE customer_id IS NOT NULL AND kind = 'sale' AND status <> 'cancelled' AND placed_at < %s
    GROUP BY currency ORDER BY count(*) DESC, currency
"""

# The amount that a document adds to revenue, in its own currency. Shops send returns with either sign, hence abs(); a refunded order counts
# 0 even if the refunded amount was not recorded.
OWN_NET_AMOUNT = (
    "CASE WHEN o.kind = 'return' THEN -abs(o.total) WHEN o.status = 'refunded' THEN 0 ELSE o.total - o.refunded END"
)
NET_AMOUNT = sql.SQL("CASE WHEN o.currency <> {currency} THEN 0 ELSE " + OWN_NET_AMOUNT + " END")

# The share of a document that still counts: nothing of a refunded sale, a part of a partly refunded one; a return counts negatively.
KEPT_SHARE = sql.SQL(
    "CASE WHEN o.currency <> {currency} OR (o.kind = 'sale' AND o.status = 'refunded') THEN 0 WHEN o.kind = 'return' THEN -1 "
    "WHEN o.total = 0 THEN 1 ELSE (o.total - o.refunded) / o.total END"
)

# Before the first refresh, the first order decides: a shop that has not set its currency yet would have amounts of 0.
AMOUNT_CURRENCY = sql.SQL(
    "COALESCE((SELECT currency FROM lifecycle_lifecyclerun WHERE currency <> '' ORDER BY id DESC LIMIT 1), "
    "(SELECT currency FROM orders_order ORDER BY id LIMIT 1), {shop})"
)


@dataclass(frozen=True)
class AmountCurrency:
    """The currency of amounts, and the number of orders in each other currency, which amounts leave out."""

    currency: str
    other_orders: dict[str, int]


def choose_amount_currency(*, as_of: datetime) -> AmountCurrency:
    """Return the shop's currency, or that of most orders if no order has the shop's."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_BY_CURRENCY, [as_of])
        orders = dict(cursor.fetchall())
    shop = get_shop().currency
    currency = shop if shop in orders else next(iter(orders), shop)
    return AmountCurrency(currency, {name: number for name, number in orders.items() if name != currency})


def get_amount_currency() -> str:
    """Return the currency of the latest refresh; before the first refresh, that of the first order, or else of the shop.

    Within the transaction of a refresh it is the currency of that refresh.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {currency}").format(currency=build_amount_currency()))
        (currency,) = cursor.fetchone()
    return str(currency)


def build_amount_currency() -> sql.Composable:
    """Return the currency of `get_amount_currency` as an expression, which needs no query of its own."""
    return AMOUNT_CURRENCY.format(shop=sql.Literal(get_shop().currency))


def build_net_amount(currency: sql.Composable | None = None) -> sql.Composable:
    """Return the amount that a document adds to revenue. currency: the one that counts, instead of that of all amounts."""
    return NET_AMOUNT.format(currency=currency or build_amount_currency())


def build_kept_share() -> sql.Composable:
    """Return the share of a document that still counts: 0 in another currency than that of all amounts, -1 for a return."""
    return KEPT_SHARE.format(currency=build_amount_currency())


def build_net_order() -> Case:
    """Return what an order of a queryset adds to revenue, in its own currency."""
    return Case(
        When(kind=Order.Kind.RETURN, then=-Abs("total")),
        When(status=Order.Status.REFUNDED, then=Value(Decimal(0))),
        default=F("total") - F("refunded"),
        output_field=DecimalField(),
    )


def build_net_line() -> Case:
    """Return what an order line of a queryset adds to revenue: of a refunded order, the share that was not refunded."""
    return Case(
        When(order__kind=Order.Kind.RETURN, then=-Abs("total")),
        When(order__status=Order.Status.REFUNDED, then=Value(Decimal(0))),
        When(order__total=0, then=F("total")),
        default=F("total") * (F("order__total") - F("order__refunded")) / F("order__total"),
        output_field=DecimalField(),
    )
