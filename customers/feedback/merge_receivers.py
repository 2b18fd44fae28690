"""Moves reviews and survey answers when customers are merged, and back when the merge is reverted."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.feedback.models import Review, SurveyAnswer
from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows

MERGED_MODELS = (Review, SurveyAnswer)


def move_feedback(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=MERGED_MODELS, pairs=pairs)


def restore_feedback(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=MERGED_MODELS, merges=merges)
