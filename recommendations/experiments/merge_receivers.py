"""Keep exposures with their customer when customers are merged, split again, erased or deleted.

If the two customers of a merge were in different variants, results count the person with the earliest exposure; both rows stay.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from recommendations.experiments.models import ExperimentExposure


def move_exposures(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=(ExperimentExposure,), pairs=pairs)


def restore_exposures(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    restore_rows(models=(ExperimentExposure,), merges=merges)


def anonymize_exposures(*, customer_id: int, replacement_id: int | None = None, **_kwargs: Any) -> None:
    """Move the exposures of an erased customer to the anonymous number, without the identifier; results stay the same."""
    _forget_people([customer_id], replacement_id)


def forget_deleted_customers(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    _forget_people(customer_ids)


def _forget_people(customer_ids: Sequence[int], replacement_id: int | None = None) -> None:
    nobody = Concat(Value("erased:"), Cast(F("pk"), CharField()))
    ExperimentExposure.objects.filter(customer_id__in=customer_ids).update(customer_id=replacement_id, unit_key=nobody)
