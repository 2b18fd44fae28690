"""A short value that changes with the catalog, for what is built from all products."""

from django.db import connection

# The sum of the times, since a change that is committed late has an earlier time than the newest product.
READ_FINGERPRINT = """
    SELECT (SELECT row(count(*), max(id), sum((extract(epoch FROM updated_at) * 1000000)::bigint))::text FROM catalog_product),
           (SELECT md5(string_agg(id || ' ' || path, ',' ORDER BY id)) FROM catalog_category)
"""


def read_catalog_fingerprint() -> tuple[str, str | None]:
    """Return a value that changes whenever a product or the path of a category does; one query, which reads no product's texts."""
    with connection.cursor() as cursor:
        cursor.execute(READ_FINGERPRINT)
        products, categories = cursor.fetchone()
    return products, categories
