"""The currency of the amounts in profiles: an order in another currency adds 0, because there are no exchange rates."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from psycopg import sql

from config.foundation.shop.profile import get_shop

COUNT_BY_CURRENCY = """
    SELECT currency, count(*) FROM orders_order
    WHERE customer_id IS NOT NULL AND kind = 'sale' AND status <> 'cancelled' AND placed_at < %s
    GROUP BY currency ORDER BY count(*) DESC, currency
"""

# The amount that a document adds to revenue. Shops send returns with either sign, hence abs(); a refunded order counts 0 even if the
# refunded amount was not recorded.
NET_AMOUNT = sql.SQL(
    "CASE WHEN o.currency <> {currency} THEN 0 WHEN o.kind = 'return' THEN -abs(o.total) WHEN o.status = 'refunded' THEN 0 "
    "ELSE o.total - o.refunded END"
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
