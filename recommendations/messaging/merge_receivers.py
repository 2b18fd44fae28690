"""Keeps coupon codes with their customer when customers are merged and split again; limits count the codes of both."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from recommendations.messaging.models import CouponCode


def move_codes(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=(CouponCode,), pairs=pairs)


def restore_codes(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=(CouponCode,), merges=merges)
