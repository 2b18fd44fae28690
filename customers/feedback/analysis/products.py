"""Products by their ratings, the worst first, with what their bad reviews are about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection
from django.db.models import Window
from django.db.models.functions import RowNumber

from config.foundation.backoffice.date_range import DayRange
from customers.feedback.analysis.topics import MAX_REVIEWS, count_phrases, find_phrases
from customers.feedback.models import Review
from customers.feedback.phrases.log_odds import DistinctivePhrase

MIN_REVIEWS = 3
PRIOR_REVIEWS = 5  # number of reviews with the shop's mean that are added to each product
MAX_PRODUCTS = 50
MAX_EXAMPLES = 2

# The shrunk mean: a product with two bad reviews is not yet worse than one with thirty mediocre ones.
WORST_REVIEWED = """
WITH shop AS (
    SELECT avg(rating) AS mean FROM feedback_review WHERE written_at >= %(start)s AND written_at < %(end)s
)
SELECT {columns}, count(*), avg(r.rating)::float8,
       count(*) FILTER (WHERE r.rating <= 2),
       ((sum(r.rating) + %(prior)s * shop.mean) / (count(*) + %(prior)s))::float8 AS shrunk
FROM feedback_review r
CROSS JOIN shop
JOIN catalog_product p ON p.id = r.product_id
LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE r.written_at >= %(start)s AND r.written_at < %(end)s
GROUP BY {group}, shop.mean
HAVING count(*) >= %(least)s
ORDER BY shrunk, {group}
LIMIT %(limit)s
"""
PRODUCTS = WORST_REVIEWED.format(columns="p.id, p.product_id, p.title, COALESCE(c.name, '')", group="p.id, c.name")


@dataclass(frozen=True)
class RatedProduct:
    """A product with its reviews of a period.

    Attributes:
        low: how many have 1–2★. shrunk: the mean after adding five reviews with the mean of the shop, which orders the products.
        reasons: phrases that distinguish its 1–3★ reviews from all reviews of the shop. examples: IDs of its latest bad reviews.
    """

    id: int
    product_id: str
    title: str
    category: str
    count: int
    average: float
    low: int
    shrunk: float
    reasons: tuple[DistinctivePhrase, ...] = ()
    examples: tuple[int, ...] = field(default=())


def list_worst_products(period: DayRange, *, limit: int = MAX_PRODUCTS) -> list[RatedProduct]:
    """Return the products with at least three reviews in a period, the worst first, with reasons."""
    rows = read_worst(PRODUCTS, period, least=MIN_REVIEWS, limit=limit)
    bad = list_bad_reviews([row[0] for row in rows], period)
    everything = count_phrases(period)
    return [
        replace(
            RatedProduct(*row),
            reasons=explain_ratings(bad.get(row[0], []), everything),
            examples=tuple(review_id for review_id, _text in bad.get(row[0], [])[:MAX_EXAMPLES]),
        )
        for row in rows
    ]


def read_worst(query: str, period: DayRange, *, least: int, limit: int) -> list[tuple[Any, ...]]:
    """Return the rows of `WORST_REVIEWED` for the groups with at least ``least`` reviews."""
    values: dict[str, Any] = {
        "start": period.start,
        "end": period.end,
        "prior": PRIOR_REVIEWS,
        "least": least,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def list_bad_reviews(
    keys: Sequence[int], period: DayRange, *, by: str = "product_id"
) -> dict[int, list[tuple[int, str]]]:
    """Return ID and text of the latest reviews with 1–3★ of each product, the latest of the worst first.

    All products together have at most `MAX_REVIEWS`, and each the same share of them.

    by: the lookup from a review to the keys, "product__category_id" for categories.
    """
    bad = (
        Review.objects.filter(rating__lte=3, written_at__gte=period.start, written_at__lt=period.end)
        .filter(**{f"{by}__in": keys})
        .exclude(title="", body="")
    )
    number = Window(RowNumber(), partition_by=by, order_by=["-written_at", "-id"])
    latest = bad.annotate(number=number).filter(number__lte=MAX_REVIEWS // max(len(keys), 1))
    reviews = (
        Review.objects.filter(pk__in=latest.values("pk"))
        .order_by("rating", "-written_at", "-id")
        .values_list(by, "id", "title", "body")
    )
    found: dict[int, list[tuple[int, str]]] = {}
    for key, review_id, title, body in reviews:
        found.setdefault(key, []).append((review_id, f"{title}\n{body}"))
    return found


def explain_ratings(
    reviews: Sequence[tuple[int, str]], everything: Mapping[str, Counter[str]], *, limit: int = 3
) -> tuple[DistinctivePhrase, ...]:
    """Return the phrases that distinguish reviews from all of the shop."""
    return tuple(find_phrases((text for _id, text in reviews), everything, limit=limit))
