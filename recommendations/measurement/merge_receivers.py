"""Keep assignments with their customer when customers are merged, split again, erased or deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from recommendations.measurement.models import Assignment


def move_assignments(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=(Assignment,), pairs=pairs)


def restore_assignments(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=(Assignment,), merges=merges)


def forget_erased_customer(*, customer_id: int, replacement_id: int | None = None, **_kwargs: Any) -> None:
    """Move the assignments to the anonymous number, which keeps the results; without one, delete what was known of the customer."""
    if replacement_id is None:
        forget_deleted_customers(customer_ids=[customer_id])
    else:
        Assignment.objects.filter(customer_id=customer_id).update(customer_id=replacement_id)


def forget_deleted_customers(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    """Remove what was known of the customers; that they were in a group stays, because it is part of the result."""
    Assignment.objects.filter(customer_id__in=customer_ids).update(
        stage="", rfm_group="", language="", predicted_value=None
    )
