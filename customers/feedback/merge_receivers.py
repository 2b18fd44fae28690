"""Reviews and survey answers follow their customer when people are merged, and go back when that is undone."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.feedback.models import Review, SurveyAnswer
from customers.identity.merging.row_moves import Moved, give_back_rows, move_rows

MODELS = (Review, SurveyAnswer)


def follow_merge(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> Moved:
    return move_rows(models=MODELS, pairs=pairs)


def follow_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    give_back_rows(models=MODELS, merges=merges)
