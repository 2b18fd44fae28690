"""The margin of orders: from the costs of the products, or from the margin that the shop has set."""

from enum import StrEnum

from psycopg import sql

KNOWN_COSTS = 0.8  # of the sales: with less, an average cost says too little about the rest

# Per order: the costs of lines with a known cost, and what the lines without one were sold for. Costs are in the currency of the product.
GOODS = sql.SQL("""
goods AS (
    SELECT b.order_number, sum(abs(l.total)) AS sold,
           sum(abs(l.quantity) * p.cost) FILTER (WHERE p.currency = b.currency) AS cost,
           sum(abs(l.total)) FILTER (WHERE p.cost IS NOT NULL AND p.currency = b.currency) AS known
    FROM bought b JOIN orders_orderline l ON l.order_id = b.order_number JOIN catalog_product p ON p.id = l.product_id
    WHERE b.is_counted AND b.kept <> 0 GROUP BY 1
),
costs AS (
    SELECT coalesce(sum(known) / nullif(sum(sold), 0), 0)::float8 AS coverage,
           (sum(cost) / nullif(sum(known), 0))::float8 AS average
    FROM goods
)
""")


class MarginBasis(StrEnum):
    """What the margin is computed from.

    COSTS: the costs of the products; for those without a cost, the average share of the others. SETTING: the margin of the setting
    VALUE_MARGIN, because too few costs are known. UNKNOWN: neither is known. NO_SALES: there is nothing to compute it from.
    """

    COSTS = "costs"
    SETTING = "setting"
    UNKNOWN = "unknown"
    NO_SALES = "no_sales"


def choose_margin_basis(*, coverage: float, orders: float, margin_share: float) -> MarginBasis:
    """Return the basis; margin_share is VALUE_MARGIN, of which 1 means that the shop has not set it."""
    if not orders:
        return MarginBasis.NO_SALES
    if coverage >= KNOWN_COSTS:
        return MarginBasis.COSTS
    return MarginBasis.SETTING if margin_share < 1 else MarginBasis.UNKNOWN
