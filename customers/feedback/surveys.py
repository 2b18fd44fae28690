"""Answers to surveys: would you recommend us (NPS), how satisfied are you (CSAT)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, ItemResult, Problem, Status
from catalog.field_cleaning import Cleaner, WrongValueError, clean_fields, clean_id, clean_text, show
from customers.feedback.authors import find_authors
from customers.feedback.field_cleaning import MAX_WORDS, clean_score, past_moment
from customers.feedback.models import SurveyAnswer

FIELDS = ("user_id", "kind", "score", "comment", "answered_at")
REQUIRED = frozenset({"kind", "score"})
RANGES = {SurveyAnswer.Kind.NPS.value: (0, 10), SurveyAnswer.Kind.CSAT.value: (1, 5)}


def clean_kind(value: Any) -> str:
    kind = clean_text(value, 20).lower()
    if kind and kind not in RANGES:
        raise WrongValueError(
            "unknown_kind",
            _("%(value)s is no kind of survey; give one of %(known)s.")
            % {"value": repr(kind), "known": ", ".join(RANGES)},
        )
    return kind


def cleaners(received_at: datetime, kind: object) -> dict[str, Cleaner]:
    low, high = RANGES.get(show(kind).strip().lower(), (0, 10))
    return {
        "user_id": partial(clean_id, max_length=255),
        "kind": clean_kind,
        "score": partial(clean_score, low=low, high=high),
        "comment": partial(clean_text, max_length=MAX_WORDS),
        "answered_at": past_moment(received_at),
    }


def record_answers(*, items: Sequence[Mapping[str, Any]], received_at: datetime) -> BulkResult:
    """Adds answers. They have no id of their own: a repeated request is told by its Idempotency-Key."""
    cleaned: list[tuple[dict[str, Any], list[Problem]]] = [
        clean_fields(item, cleaners(received_at, item.get("kind")), REQUIRED) for item in items
    ]
    right = [row for row, wrong in cleaned if not wrong]
    with transaction.atomic():
        authors = find_authors(
            sightings=[(row["user_id"], row.get("answered_at") or received_at) for row in right if row.get("user_id")]
        )
        SurveyAnswer.objects.bulk_create(
            SurveyAnswer(
                customer_id=authors.get(row.get("user_id", "")),
                kind=row["kind"],
                score=row["score"],
                comment=row.get("comment", ""),
                answered_at=row.get("answered_at") or received_at,
            )
            for row in right
        )
    return BulkResult(
        tuple(
            ItemResult(index, row.get("user_id", ""), Status.REJECTED if wrong else Status.CREATED, tuple(wrong))
            for index, (row, wrong) in enumerate(cleaned)
        )
    )
