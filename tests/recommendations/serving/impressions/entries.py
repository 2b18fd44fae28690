"""Impressions as the writer sends them, for tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recommendations.serving.impressions import ServedEntry, stream
from recommendations.serving.impressions.served_entry import pack_entry
from tests.makers import NOON


def make_entry(
    recommendation_id: str = "r1",
    *,
    products: Sequence[str] = ("tea-1", "tea-2"),
    served_at: datetime = NOON,
    **fields: Any,
) -> ServedEntry:
    """Make an impression of for-you for an unidentified visitor, with these fields replaced."""
    defaults: dict[str, Any] = {
        "scenario": "for-you",
        "user_id": "",
        "anonymous_id": "",
        "model_version": "blend-1",
        "strategy": "blend",
        "arm": None,
        "fallback": None,
        "first_rank": 1,
    }
    return ServedEntry(
        recommendation_id=recommendation_id, served_at=served_at, product_ids=list(products), **(defaults | fields)
    )


def send_entries(*entries: ServedEntry) -> None:
    """Append entries to the stream, as the writer does."""
    stream.append_entries([pack_entry(entry) for entry in entries])
