"""Reviews from events: checked and written as those that a shop's programs send, each wrong one refused alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import override

from catalog.field_cleaning import clean_fields
from customers.feedback.reviews import REQUIRED, UPSERT, check_product, cleaners, find_products

# what Segment and shops call a field → what we call it
FIELDS = {
    "review_id": ("review_id", "reviewId"),
    "product_id": ("product_id", "productId", "item_id", "sku"),
    "rating": ("rating",),
    "title": ("review_title", "title"),
    "body": ("review_body", "reviewBody", "body", "text"),
    "language": ("language", "locale"),
}
OLDER = """
SELECT review_id FROM feedback_review r
JOIN unnest(%s::text[], %s::timestamptz[]) AS s (review_id, written_at) USING (review_id)
WHERE r.written_at > s.written_at
"""


class ReviewMessage(NamedTuple):
    """An event that says what somebody thinks of a product. ``place`` is the caller's name for it."""

    place: int
    source: str
    message_id: str
    occurred_at: datetime
    received_at: datetime
    customer_id: int | None
    properties: Mapping[str, Any]


@dataclass
class ProjectedReviews:
    """What became of events. ``refused``: place, code and reason."""

    written: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)


def project_reviews(*, messages: Sequence[ReviewMessage]) -> ProjectedReviews:
    """Writes reviews, in the caller's transaction; one with a known ``review_id`` replaces an older one.

    Without a ``review_id`` the event's own message id is one. An unknown product is refused: nothing is known to be reviewed.
    """
    done = ProjectedReviews()
    items = [item_of(message) for message in messages]
    products = find_products(items)
    rows: dict[str, dict[str, Any]] = {}
    with override("en"):  # reasons of dead letters are read by whoever opens them, in one language
        for message, item in zip(messages, items, strict=True):
            row, problems = clean_fields(item, cleaners(message.received_at), REQUIRED)
            problems += check_product(row, products)
            if problems:
                first = problems[0]
                done.refused.append((message.place, f"review_{first.code}", f"{first.field}: {first.message}"))
                continue
            known = rows.get(row["review_id"])
            if known is None or known["written_at"] <= row["written_at"]:
                rows[row["review_id"]] = row | {
                    "product": products[row["product_id"]],
                    "customer": message.customer_id,
                }
    done.written = write(rows)
    return done


def item_of(message: ReviewMessage) -> dict[str, Any]:
    item = {
        name: message.properties[spelling]
        for name, spellings in FIELDS.items()
        for spelling in reversed(spellings)
        if message.properties.get(spelling) is not None
    }
    item.setdefault("review_id", f"{message.source}:{message.message_id}")
    return item | {"written_at": min(message.occurred_at, message.received_at)}


def write(rows: Mapping[str, dict[str, Any]]) -> int:
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(OLDER, [list(rows), [row["written_at"] for row in rows.values()]])
        later = {review_id for (review_id,) in cursor.fetchall()}
        payload = [
            {name: row.get(name, "") for name in ("title", "body", "language")}
            | {name: row[name] for name in ("review_id", "product", "customer", "rating")}
            | {"written_at": row["written_at"].isoformat()}
            for review_id, row in rows.items()
            if review_id not in later
        ]
        cursor.execute(UPSERT, {"rows": json.dumps(payload), "received_at": None})
        return len(cursor.fetchall())
