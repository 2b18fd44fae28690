"""Products that events or orders name but the catalog lacks: they cannot be recommended, and their views have no effect."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from django.db import connection

from catalog.field_cleaning import shorten_value
from catalog.models import Product
from config.foundation.slow_figures import get_figures
from customers.events.models import Event

DEFAULT_DAYS, MAX_DAYS = 7, 90
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
NAME_KEYS = ("name", "title", "product_name", "item_name")
URL_KEYS = ("url", "product_url", "link")
ID_KEYS = ("product_id", "productId", "item_id", "id", "sku")

# a draft counts as missing, too: all that is known about it comes from events
SELECT_MISSING = """
WITH known AS (
    SELECT product_id AS reference FROM catalog_product WHERE NOT is_draft
    UNION ALL
    SELECT sku FROM catalog_product WHERE sku <> '' GROUP BY sku HAVING count(*) = 1
), named AS (
    SELECT r.reference, count(*) AS events, max(e.occurred_at) AS last_seen_at, max(e.id) AS example_id
    FROM events_event e CROSS JOIN LATERAL unnest(e.product_ids) AS r (reference)
    WHERE e.received_at >= %(since)s
      AND NOT EXISTS (SELECT FROM known k WHERE k.reference = r.reference)
    GROUP BY r.reference
), sold AS (
    SELECT p.product_id AS reference, count(DISTINCT o.id) AS orders, max(o.placed_at) AS last_sold_at
    FROM catalog_product p
    JOIN orders_orderline l ON l.product_id = p.id
    JOIN orders_order o ON o.id = l.order_id
    WHERE p.is_draft AND o.placed_at >= %(since)s
    GROUP BY p.product_id
)
SELECT COALESCE(n.reference, s.reference), COALESCE(n.events, 0), COALESCE(s.orders, 0),
       GREATEST(n.last_seen_at, s.last_sold_at), n.example_id, p.title
FROM named n
FULL JOIN sold s ON s.reference = n.reference
LEFT JOIN catalog_product p ON p.product_id = COALESCE(n.reference, s.reference)
ORDER BY COALESCE(n.events, 0) + COALESCE(s.orders, 0) DESC, 1
LIMIT %(limit)s
"""
SELECT_KNOWN = """
SELECT r.reference, d.title,
       EXISTS (SELECT FROM catalog_product p WHERE p.product_id = r.reference AND NOT p.is_draft)
       OR (SELECT count(*) FROM catalog_product p WHERE p.sku = r.reference AND p.sku <> '') = 1
FROM unnest(%(references)s::text[]) AS r (reference)
LEFT JOIN catalog_product d ON d.product_id = r.reference AND d.is_draft
"""


@dataclass(frozen=True)
class MissingProduct:
    """A product ID that the catalog lacks.

    name, url: as an event reports them, so they may be wrong. The query of the URL is removed, because it may identify a visitor.
    """

    product_id: str
    events: int
    orders: int
    last_seen_at: datetime
    name: str
    url: str
    is_draft: bool


def find_missing_products(*, since: datetime, limit: int = DEFAULT_LIMIT) -> list[MissingProduct]:
    """Return the products of events received and orders placed since then that the catalog lacks, most frequent first."""
    with connection.cursor() as cursor:
        cursor.execute(SELECT_MISSING, {"since": since, "limit": limit})
        rows = cursor.fetchall()
    examples = read_examples([row[4] for row in rows if row[4] is not None], since=since)
    return [
        MissingProduct(
            reference,
            events,
            orders,
            last_seen_at,
            *describe_product(reference, title, examples.get(example)),
            title is not None,
        )
        for reference, events, orders, last_seen_at, example, title in rows
    ]


@dataclass(frozen=True)
class MissingProductsReport:
    """The missing products of a period, and when their events and orders were counted."""

    as_of: datetime
    products: list[MissingProduct]


def list_missing_products(*, days: int, as_of: datetime) -> MissingProductsReport:
    """Return the missing products of the last ``days`` days for a page; if counting takes long, the result may be some minutes old.

    Products that were added to the catalog after the count are left out.
    """

    def count() -> MissingProductsReport:
        return MissingProductsReport(as_of, find_missing_products(since=as_of - timedelta(days=days), limit=MAX_LIMIT))

    counted = get_figures(f"missing-products:{days}", MissingProductsReport, count)
    references = [product.product_id for product in counted.products]
    with connection.cursor() as cursor:
        cursor.execute(SELECT_KNOWN, {"references": references})
        drafts = {reference: title for reference, title, is_known in cursor.fetchall() if not is_known}
    current = (
        replace(
            product, name=drafts[product.product_id] or product.name, is_draft=drafts[product.product_id] is not None
        )
        for product in counted.products
        if product.product_id in drafts
    )
    return MissingProductsReport(counted.as_of, list(islice(current, DEFAULT_LIMIT)))


def read_examples(event_ids: Sequence[int], *, since: datetime) -> dict[int, Any]:
    """Return the properties of events received since then, by their IDs."""
    return dict(Event.objects.filter(id__in=event_ids, received_at__gte=since).values_list("id", "properties"))


def describe_product(reference: str, title: str | None, properties: Any) -> tuple[str, str]:
    """Return name and URL of a product from the title of its draft or the properties of an event."""
    product = find_in_properties(reference, properties) if isinstance(properties, Mapping) else {}
    name = next((value for key in NAME_KEYS if isinstance(value := product.get(key), str) and value.strip()), "")
    url = next((value for key in URL_KEYS if isinstance(value := product.get(key), str)), "")
    return title or shorten_value(name.strip()), strip_query(url)


def find_in_properties(reference: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the listed product with this ID, or the properties themselves if they name no other product."""
    for value in properties.values():
        for product in value if isinstance(value, list) else ():
            if isinstance(product, Mapping) and reference in [str(product.get(key)) for key in ID_KEYS]:
                return product
    return properties if reference in [str(properties.get(key)) for key in ID_KEYS] else {}


def strip_query(url: str) -> str:
    """Return the URL without query and fragment; empty if it is no web address."""
    try:
        parts = urlsplit(url[:2000])
    except ValueError:
        return ""
    return parts._replace(query="", fragment="").geturl() if parts.scheme in ("http", "https") and parts.netloc else ""


def create_drafts(*, product_ids: Collection[str], at: datetime, days: int = MAX_DAYS) -> int:
    """Create a draft for each of the missing products, named as events name it; return how many were created."""
    missing = find_missing_products(since=at - timedelta(days=days), limit=10 * MAX_LIMIT)
    drafts = [
        Product(product_id=product.product_id, title=product.name or product.product_id, is_draft=True, is_active=False)
        for product in missing
        if product.product_id in product_ids and not product.is_draft
    ]
    return len(Product.objects.bulk_create(drafts, ignore_conflicts=True))
