"""Turns review events into reviews, checked like those sent over REST; an invalid event is rejected without affecting the others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import override

from catalog.field_cleaning import clean_fields
from customers.feedback.reviews import REQUIRED, UPSERT_REVIEWS, build_review_cleaners, check_product, find_products

# our field → its spellings in Segment events and shop systems
FIELDS = {
    "review_id": ("review_id", "reviewId"),
    "product_id": ("product_id", "productId", "item_id", "sku"),
    "rating": ("rating",),
    "title": ("review_title", "title"),
    "body": ("review_body", "reviewBody", "body", "text"),
    "language": ("language", "locale"),
}
SELECT_NEWER_REVIEWS = """
SELECT review_id FROM feedback_review r
JOIN unnest(%s::text[], %s::timestamptz[]) AS s (review_id, written_at) USING (review_id)
WHERE r.written_at > s.written_at
"""


class ReviewMessage(NamedTuple):
    """A review event.

    Attributes:
        position: its index in the caller's list of events.
        author: who wrote it, if a browser or app sent it; empty for the shop itself, whose reviews may be of anyone.
    """

    position: int
    source: str
    message_id: str
    occurred_at: datetime
    received_at: datetime
    customer_id: int | None
    author: str
    properties: Mapping[str, Any]


@dataclass
class ReviewProjection:
    """The result of a projection.

    ``rejected`` has position, code and reason of each rejected event.
    """

    written: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)


def project_reviews(*, messages: Sequence[ReviewMessage]) -> ReviewProjection:
    """Write reviews, in the caller's transaction.

    A review replaces an older one with the same ``review_id``. The default ``review_id`` is the message ID of the
    event. A review of an unknown product is rejected.
    """
    projection = ReviewProjection()
    items = [build_item(message) for message in messages]
    products = find_products(items)
    rows: dict[str, dict[str, Any]] = {}
    with override("en"):  # reasons of rejected events are stored, so they are always in English
        for message, item in zip(messages, items, strict=True):
            row, problems = clean_fields(item, build_review_cleaners(message.received_at), REQUIRED)
            problems += check_product(row, products)
            if problems:
                first = problems[0]
                projection.rejected.append(
                    (message.position, f"review_{first.code}", f"{first.field}: {first.message}")
                )
                continue
            latest = rows.get(row["review_id"])
            if latest is None or latest["written_at"] <= row["written_at"]:
                rows[row["review_id"]] = row | {
                    "product": products[row["product_id"]],
                    "customer": message.customer_id,
                }
    projection.written = write_latest_reviews(rows)
    return projection


def read_review_fields(properties: Mapping[str, Any], *, source: str, message_id: str) -> dict[str, Any]:
    """Return the fields that an event has; the default review ID is that of the event."""
    item = {
        name: properties[spelling]
        for name, spellings in FIELDS.items()
        for spelling in reversed(spellings)
        if properties.get(spelling) is not None
    }
    item.setdefault("review_id", f"{source}:{message_id}")
    return item


def build_item(message: ReviewMessage) -> dict[str, Any]:
    item = read_review_fields(message.properties, source=message.source, message_id=message.message_id)
    review_id = item["review_id"]
    if message.author:
        # with the author in its key, a review from a browser never replaces that of someone else
        digest = sha256(f"{message.author}\n{review_id}".encode(errors="replace")).hexdigest()
        item["review_id"] = f"{message.source}:{digest[:32]}"
    return item | {"written_at": min(message.occurred_at, message.received_at)}


def write_latest_reviews(rows: Mapping[str, dict[str, Any]]) -> int:
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(SELECT_NEWER_REVIEWS, [list(rows), [row["written_at"] for row in rows.values()]])
        newer = {review_id for (review_id,) in cursor.fetchall()}
        payload = [
            {name: row.get(name, "") for name in ("title", "body", "language")}
            | {name: row[name] for name in ("review_id", "product", "customer", "rating")}
            | {"written_at": row["written_at"].isoformat()}
            for review_id, row in rows.items()
            if review_id not in newer
        ]
        cursor.execute(UPSERT_REVIEWS, {"rows": json.dumps(payload), "received_at": None})
        return len(cursor.fetchall())
