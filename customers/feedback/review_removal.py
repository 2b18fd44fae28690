"""Deletes the reviews that deleted events have created."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.feedback.models import Review
from customers.feedback.review_events import read_review_fields

# A review with another time of writing is a later or earlier version, which the event has not created.
DELETE_REVIEWS = """
DELETE FROM feedback_review r USING unnest(%s::text[], %s::timestamptz[]) AS e (review_id, written_at)
WHERE r.review_id = e.review_id AND r.written_at = e.written_at
"""


def read_review_id(properties: Mapping[str, Any], *, source: str, message_id: str) -> str:
    """Return the ID of the review that an event of a trusted source creates."""
    return str(read_review_fields(properties, source=source, message_id=message_id)["review_id"]).strip()


def find_known_reviews(review_ids: Collection[str]) -> list[str]:
    """Return those of the reviews that exist."""
    return sorted(Review.objects.filter(review_id__in=review_ids).values_list("review_id", flat=True))


def remove_reviews(reviews: Sequence[tuple[str, datetime]], *, kept: Collection[str]) -> int:
    """Delete the reviews with this ID and time of writing, except the ``kept`` ones; return their number."""
    gone = [(review_id, written_at) for review_id, written_at in reviews if review_id not in kept]
    if not gone:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(DELETE_REVIEWS, list(map(list, zip(*gone, strict=True))))
        return int(cursor.rowcount)
