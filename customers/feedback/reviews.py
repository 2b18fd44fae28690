"""Writes reviews in bulk, and summarizes the ratings of products."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from catalog.field_cleaning import Cleaner, clean_fields, clean_id, clean_text, shorten_value
from catalog.models import Product
from catalog.sku_lookup import find_products_by_sku
from customers.feedback.authors import ensure_authors, is_erased_author
from customers.feedback.field_cleaning import MAX_TEXT_LENGTH, clean_score, make_past_time_cleaner
from customers.feedback.models import Review
from customers.feedback.signals import feedback_received

FIELDS = ("review_id", "product_id", "user_id", "rating", "title", "body", "language", "written_at")
REQUIRED = frozenset({"review_id", "product_id", "rating"})
STARS = (1, 2, 3, 4, 5)

# COALESCE: a review without a time keeps the time of its earlier version; a changed text invalidates the sentiment computed from it
UPSERT_REVIEWS = """
INSERT INTO feedback_review
    (review_id, product_id, customer_id, rating, title, body, language, written_at, contradicts, is_published, reply)
SELECT s.review_id, s.product, s.customer, s.rating, s.title, s.body, s.language,
       COALESCE(s.written_at, r.written_at, %(received_at)s), false, true, ''
FROM jsonb_to_recordset(%(rows)s::jsonb) AS s (review_id text, product bigint, customer bigint, rating smallint,
     title text, body text, language text, written_at timestamptz)
LEFT JOIN feedback_review r ON r.review_id = s.review_id
ORDER BY s.review_id
ON CONFLICT (review_id) DO UPDATE
SET product_id = EXCLUDED.product_id, customer_id = EXCLUDED.customer_id, rating = EXCLUDED.rating,
    title = EXCLUDED.title, body = EXCLUDED.body, language = EXCLUDED.language, written_at = EXCLUDED.written_at,
    sentiment = CASE WHEN (feedback_review.title, feedback_review.body) = (EXCLUDED.title, EXCLUDED.body)
                     THEN feedback_review.sentiment END,
    contradicts = feedback_review.contradicts AND (feedback_review.title, feedback_review.body, feedback_review.rating)
                  = (EXCLUDED.title, EXCLUDED.body, EXCLUDED.rating),
    scored_at = CASE WHEN (feedback_review.title, feedback_review.body, feedback_review.rating)
                          = (EXCLUDED.title, EXCLUDED.body, EXCLUDED.rating) THEN feedback_review.scored_at END
WHERE (feedback_review.product_id, feedback_review.customer_id, feedback_review.rating, feedback_review.title,
       feedback_review.body, feedback_review.language, feedback_review.written_at)
      IS DISTINCT FROM (EXCLUDED.product_id, EXCLUDED.customer_id, EXCLUDED.rating, EXCLUDED.title,
       EXCLUDED.body, EXCLUDED.language, EXCLUDED.written_at)
RETURNING review_id, xmax = 0 AS created  -- xmax is 0 in an inserted row and set in an updated one
"""


def build_review_cleaners(received_at: datetime) -> dict[str, Cleaner]:
    return {
        "review_id": partial(clean_id, max_length=200),
        "product_id": partial(clean_id, max_length=200),
        "user_id": partial(clean_id, max_length=255),
        "rating": partial(clean_score, low=1, high=5),
        "title": partial(clean_text, max_length=300),
        "body": partial(clean_text, max_length=MAX_TEXT_LENGTH),
        "language": partial(clean_text, max_length=20),
        "written_at": make_past_time_cleaner(received_at),
    }


def record_reviews(*, items: Sequence[Mapping[str, Any]], received_at: datetime, dry_run: bool = False) -> BulkResult:
    """Write reviews; a review replaces the one with the same ``review_id``.

    An invalid review is rejected without affecting the others. Unknown user IDs become customers; an unknown product is an error.
    New reviews of people who were erased are left out. The default ``written_at`` is the time of receipt, which a later version of the
    review keeps.
    """
    keys: list[str] = []
    problems: list[list[FieldProblem]] = []
    rows: dict[str, dict[str, Any]] = {}
    clean = build_review_cleaners(received_at)
    products = find_products(items)
    for item in items:
        row, item_problems = clean_fields(item, clean, REQUIRED)
        key = row.get("review_id", "")
        item_problems += check_product(row, products)
        if not item_problems and key in rows:
            item_problems = [
                FieldProblem("review_id", "duplicate", _("Duplicate ID; the first item with this ID is kept."), key)
            ]
        if not item_problems:
            rows[key] = row
        keys.append(key or shorten_value(item.get("review_id")))
        problems.append(item_problems)
    written: dict[str, ItemStatus] = {}
    if rows:
        with transaction.atomic():
            written = write_reviews(rows, products, received_at=received_at)
            if dry_run:
                transaction.set_rollback(True)
    return combine_results(keys=keys, problems=problems, written=written)


def find_products(items: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the database ID of each product that is known by its ID or its SKU."""
    references = {shorten_value(item.get("product_id")).strip() for item in items}
    known = dict(Product.objects.filter(product_id__in=references).values_list("product_id", "id"))
    by_sku = find_products_by_sku(references - known.keys())
    return known | {reference: key for reference, (key, _product_id) in by_sku.items()}


def check_product(row: Mapping[str, Any], products: Mapping[str, int]) -> list[FieldProblem]:
    product_id = row.get("product_id")
    if not product_id or product_id in products:
        return []
    message = _("Unknown product; import it first.")
    return [FieldProblem("product_id", "unknown_product", message, product_id)]


def write_reviews(
    rows: Mapping[str, Mapping[str, Any]], products: Mapping[str, int], *, received_at: datetime
) -> dict[str, ItemStatus]:
    authors = ensure_authors(
        sightings=[
            (row["user_id"], row.get("written_at") or received_at) for row in rows.values() if row.get("user_id")
        ]
    )
    erased = {key for key, row in rows.items() if is_erased_author(row, authors)}
    known = set(Review.objects.filter(review_id__in=erased).values_list("review_id", flat=True)) if erased else erased
    payload = [
        {
            "review_id": key,
            "product": products[row["product_id"]],
            "customer": authors.get(row.get("user_id", "")),
            "rating": row["rating"],
            # an erased person's words are not stored again
            "title": "" if key in erased else row.get("title", ""),
            "body": "" if key in erased else row.get("body", ""),
            "language": row.get("language", ""),
            "written_at": row["written_at"].isoformat() if row.get("written_at") else None,
        }
        for key, row in rows.items()
        # the erasure has changed the ID of the person's reviews, so that the same review would be counted a second time
        if key not in erased or key in known
    ]
    with connection.cursor() as cursor:
        cursor.execute(UPSERT_REVIEWS, {"rows": json.dumps(payload), "received_at": received_at})
        written = cursor.fetchall()
    feedback_received.send(Review, customer_ids=list(authors.values()))
    return {key: ItemStatus.CREATED if created else ItemStatus.UPDATED for key, created in written}


@dataclass(frozen=True, slots=True)
class RatingSummary:
    """The number of reviews of a product, their mean rating and the count per rating.

    The mean is None without reviews.
    """

    count: int
    average: float | None
    stars: dict[int, int]


def summarize_ratings(*, product_ids: Sequence[str]) -> dict[str, RatingSummary]:
    """Return the summary of each product, by product ID.

    Hidden reviews do not count. It is empty for products without reviews and unknown ones.
    """
    counts: dict[str, dict[int, int]] = {}
    ratings = (
        Review.objects.filter(product__product_id__in=product_ids, is_published=True)
        .order_by()
        .values_list("product__product_id", "rating")
    )
    for product_id, rating, count in ratings.annotate(count=Count("*")):
        counts.setdefault(product_id, dict.fromkeys(STARS, 0))[rating] = count
    return {product_id: summarize_stars(counts.get(product_id, dict.fromkeys(STARS, 0))) for product_id in product_ids}


def summarize_stars(stars: dict[int, int]) -> RatingSummary:
    count = sum(stars.values())
    average = sum(star * number for star, number in stars.items()) / count if count else None
    return RatingSummary(count, average, stars)
