"""Moves privacy requests when customers are merged, and back when the merge is reverted."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from customers.privacy.models import PrivacyRequest

MERGED_MODELS = (PrivacyRequest,)


def move_requests(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=MERGED_MODELS, pairs=pairs)


def restore_requests(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=MERGED_MODELS, merges=merges)
