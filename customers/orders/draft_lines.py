"""Moves order lines from drafts to the products that the catalog has learned since: by their SKU, or the ID of their group."""

from django.db import connection, transaction

from catalog.sku_lookup import find_products_by_group, find_products_by_sku
from customers.orders.signals import orders_changed

BATCH_SIZE = 20_000

FIND_DRAFTS = """
SELECT d.product_id, d.id FROM catalog_product d
WHERE d.is_draft AND EXISTS (SELECT FROM orders_orderline l WHERE l.product_id = d.id)
"""
# Locked in the order in which other writers lock lines.
MOVE_LINES = """
WITH chosen AS (
    SELECT l.id, w.product_id
    FROM orders_orderline l
    JOIN unnest(%(drafts)s::bigint[], %(products)s::bigint[]) AS w (draft_id, product_id) ON w.draft_id = l.product_id
    ORDER BY l.order_id, l.line_number LIMIT %(limit)s
    FOR NO KEY UPDATE OF l
), moved AS (
    UPDATE orders_orderline l SET product_id = c.product_id FROM chosen c WHERE l.id = c.id RETURNING l.order_id
)
SELECT count(*), array_agg(DISTINCT o.customer_id) FILTER (WHERE o.customer_id IS NOT NULL)
FROM moved m JOIN orders_order o ON o.id = m.order_id
"""


def move_lines_of_drafts() -> int:
    """Move the lines of drafts that were sold by a reference that means another product now; return the number of lines.

    The next event of such an order would do the same. The drafts stay.
    """
    moves = find_moves()
    moved = 0
    while moves:
        with transaction.atomic(), connection.cursor() as cursor:
            drafts, products = list(moves), list(moves.values())
            cursor.execute(MOVE_LINES, {"drafts": drafts, "products": products, "limit": BATCH_SIZE})
            count, customer_ids = cursor.fetchone()
            if customer_ids:
                orders_changed.send(sender=None, customer_ids=customer_ids)
        moved += count
        if count < BATCH_SIZE:
            break
    return moved


def find_moves() -> dict[int, int]:
    """Return the database ID of the product by that of the draft."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_DRAFTS)
        drafts = dict(cursor.fetchall())
    found = find_products_by_group(drafts) | find_products_by_sku(drafts)
    return {drafts[reference]: key for reference, (key, _id) in found.items() if key != drafts[reference]}
