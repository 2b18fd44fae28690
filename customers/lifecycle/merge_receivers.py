"""Profiles and stage histories are told from facts: after a merge, and after its undoing, those concerned are told again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.lifecycle.refresh.profile_lock import PROFILES
from customers.lifecycle.refresh.profile_updates import recount

# a refresh under way writes the profile of everybody it saw, also of whom we fold: it ends first
WAIT_FOR_REFRESH = "SELECT pg_advisory_xact_lock_shared(%s)"
FORGET = (
    "DELETE FROM lifecycle_stagetransition WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_customerprofile WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_seensession WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_recountdue WHERE customer_id = ANY(%s)",
)


def follow_merge(*, pairs: Sequence[tuple[int, int]], at: datetime, **_kwargs: Any) -> None:
    folded = [folded for _kept, folded in pairs]
    with connection.cursor() as cursor:
        cursor.execute(WAIT_FOR_REFRESH, [PROFILES])
        for statement in FORGET:
            cursor.execute(statement, [folded])
    recount(customer_ids=[kept for kept, _folded in pairs], as_of=at)


def follow_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], at: datetime, **_kwargs: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WAIT_FOR_REFRESH, [PROFILES])
    recount(customer_ids=[customer_id for kept, folded, _rows in merges for customer_id in (kept, folded)], as_of=at)
