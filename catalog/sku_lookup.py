"""Finds products by SKU, or by the ID of their group, where a reference is not a product ID."""

from collections.abc import Collection

from django.db import connection

from catalog.sold_out import IN_STOCK, OUT_OF_STOCK

# a SKU counts only if it is unambiguous, and only where no product has it as its ID
FIND_BY_SKU = """
SELECT r.reference, min(p.id), min(p.product_id)
FROM unnest(%s::text[]) AS r (reference)
JOIN catalog_product p ON p.sku = r.reference AND p.sku <> ''
WHERE NOT EXISTS (SELECT FROM catalog_product o WHERE o.product_id = r.reference AND NOT o.is_draft)
GROUP BY r.reference
HAVING count(*) = 1
"""
# the page of a product with variants names the group until the visitor has chosen a variant
FIND_BY_GROUP = f"""
SELECT DISTINCT ON (r.reference) r.reference, p.id, p.product_id
FROM unnest(%s::text[]) AS r (reference)
JOIN catalog_product p ON p.parent_id = r.reference AND p.parent_id <> '' AND p.is_active
WHERE NOT EXISTS (SELECT FROM catalog_product o WHERE o.product_id = r.reference AND NOT o.is_draft)
ORDER BY r.reference, p.availability = '{OUT_OF_STOCK}' OR (p.availability = '{IN_STOCK}' AND COALESCE(p.stock, 1) <= 0), p.id
"""  # noqa: S608


def find_products_by_sku(references: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return database ID and product ID by reference, for references that are the SKU of exactly one product.

    References that are product IDs are left out, unless the product is a draft: it was created before the catalog knew the SKU.
    """
    if not references:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_BY_SKU, [list(references)])
        return {reference: (key, product_id) for reference, key, product_id in cursor.fetchall()}


def find_products_by_group(references: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return database ID and product ID of one variant by reference, for references that are the ID of a group: the first one in stock."""
    if not references:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_BY_GROUP, [list(references)])
        return {reference: (key, product_id) for reference, key, product_id in cursor.fetchall()}
