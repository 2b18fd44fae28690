"""Records answers to NPS and CSAT surveys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemResult, ItemStatus
from catalog.field_cleaning import Cleaner, InvalidValueError, clean_fields, clean_id, clean_text, shorten_value
from customers.feedback.authors import ensure_authors, is_erased_author
from customers.feedback.field_cleaning import MAX_TEXT_LENGTH, clean_score, make_past_time_cleaner
from customers.feedback.models import SurveyAnswer
from customers.feedback.signals import feedback_received

FIELDS = ("user_id", "kind", "score", "comment", "answered_at")
REQUIRED = frozenset({"kind", "score"})
RANGES = {SurveyAnswer.Kind.NPS.value: (0, 10), SurveyAnswer.Kind.CSAT.value: (1, 5)}


def clean_kind(value: Any) -> str:
    """Return the survey type."""
    kind = clean_text(value, 20).lower()
    if kind and kind not in RANGES:
        raise InvalidValueError(
            "unknown_kind",
            _("Unknown survey type %(value)s; valid: %(known)s.") % {"value": repr(kind), "known": ", ".join(RANGES)},
        )
    return kind


def build_answer_cleaners(received_at: datetime, kind: object) -> dict[str, Cleaner]:
    low, high = RANGES.get(shorten_value(kind).strip().lower(), (0, 10))
    return {
        "user_id": partial(clean_id, max_length=255),
        "kind": clean_kind,
        "score": partial(clean_score, low=low, high=high),
        "comment": partial(clean_text, max_length=MAX_TEXT_LENGTH),
        "answered_at": make_past_time_cleaner(received_at),
    }


def record_answers(*, items: Sequence[Mapping[str, Any]], received_at: datetime) -> BulkResult:
    """Add answers.

    They have no ID of their own, so a repeated request is detected by its Idempotency-Key.
    """
    cleaned: list[tuple[dict[str, Any], list[FieldProblem]]] = [
        clean_fields(item, build_answer_cleaners(received_at, item.get("kind")), REQUIRED) for item in items
    ]
    valid = [row for row, problems in cleaned if not problems]
    with transaction.atomic():
        authors = ensure_authors(
            sightings=[(row["user_id"], row.get("answered_at") or received_at) for row in valid if row.get("user_id")]
        )
        SurveyAnswer.objects.bulk_create(
            SurveyAnswer(
                customer_id=authors.get(row.get("user_id", "")),
                kind=row["kind"],
                score=row["score"],
                comment="" if is_erased_author(row, authors) else row.get("comment", ""),
                answered_at=row.get("answered_at") or received_at,
            )
            for row in valid
        )
        feedback_received.send(SurveyAnswer, customer_ids=list(authors.values()))
    return BulkResult(
        tuple(
            ItemResult(
                index, row.get("user_id", ""), ItemStatus.REJECTED if problems else ItemStatus.CREATED, tuple(problems)
            )
            for index, (row, problems) in enumerate(cleaned)
        )
    )
