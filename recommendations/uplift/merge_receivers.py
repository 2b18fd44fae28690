"""Forgets the next action of customers who were merged, split again or erased, or who objected; the next refresh chooses a new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.consent.restrictions import PROFILING_SCOPES
from recommendations.uplift.models import CustomerAction


def forget_merged(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> None:
    people = [customer_id for pair in pairs for customer_id in pair]
    CustomerAction.objects.filter(customer_id__in=people).delete()


def forget_split(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    CustomerAction.objects.filter(customer_id__in=[kept for kept, _merged, _moved in merges]).delete()


def forget_erased(*, customer_id: int, **_kwargs: Any) -> None:
    CustomerAction.objects.filter(customer_id=customer_id).delete()


def forget_deleted(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    CustomerAction.objects.filter(customer_id__in=customer_ids).delete()


def forget_restricted(*, customer_id: int, scope: str, **_kwargs: Any) -> None:
    if scope in PROFILING_SCOPES:
        CustomerAction.objects.filter(customer_id=customer_id).delete()
