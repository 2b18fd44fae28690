"""Finds products by SKU where a reference is not a product ID."""

from collections.abc import Collection

from django.db import connection

# a SKU counts only if it is unambiguous, and only where no product has it as its ID
FIND_BY_SKU = """
SELECT r.reference, min(p.id), min(p.product_id)
FROM unnest(%s::text[]) AS r (reference)
JOIN catalog_product p ON p.sku = r.reference AND p.sku <> ''
WHERE NOT EXISTS (SELECT FROM catalog_product o WHERE o.product_id = r.reference AND NOT o.is_draft)
GROUP BY r.reference
HAVING count(*) = 1
"""


def find_products_by_sku(references: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return database ID and product ID by reference, for references that are the SKU of exactly one product.

    References that are product IDs are left out, unless the product is a draft: it was created before the catalog knew the SKU.
    """
    if not references:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_BY_SKU, [list(references)])
        return {reference: (key, product_id) for reference, key, product_id in cursor.fetchall()}
