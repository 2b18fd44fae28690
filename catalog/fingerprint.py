"""A short value that changes with the catalog, for what is built from all products."""

from datetime import datetime

from django.db import connection
from django.db.models import BigIntegerField, Count, Func, Max, Sum

from catalog.models import Product

type RecentChanges = tuple[int, datetime | None, int | None]  # number of products, the newest change, the sum of all

UNKNOWN_CHANGES: RecentChanges = (-1, None, None)  # differs from every summary

# The sum of the times, since a change that is committed late has an earlier time than the newest product.
READ_FINGERPRINT = """
    SELECT (SELECT row(count(*), max(id), sum((extract(epoch FROM updated_at) * 1000000)::bigint))::text FROM catalog_product),
           (SELECT md5(string_agg(id || ' ' || path, ',' ORDER BY id)) FROM catalog_category)
"""


class Microseconds(Func):
    """A moment as microseconds since 1970."""

    template = "(extract(epoch from %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


def summarize_changes(after: datetime) -> RecentChanges:
    """Return the number of products changed after a moment, the newest change, and the sum of the change times; one query.

    A product that has changed a second time, by a transaction that commits late, may change only the sum.
    """
    changed = Product.objects.filter(updated_at__gt=after)
    summary = changed.aggregate(count=Count("id"), newest=Max("updated_at"), times=Sum(Microseconds("updated_at")))
    return summary["count"], summary["newest"], summary["times"]


def read_catalog_fingerprint() -> tuple[str, str | None]:
    """Return a value that changes whenever a product or the path of a category does; one query, which reads no product's texts."""
    with connection.cursor() as cursor:
        cursor.execute(READ_FINGERPRINT)
        products, categories = cursor.fetchone()
    return products, categories
