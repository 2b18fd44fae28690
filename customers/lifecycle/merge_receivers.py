"""Recounts profiles and stage histories after merges, reverted merges and transfers of identifiers, and after events were removed.

Keeps a running refresh from writing profiles of customers who are deleted.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from customers.lifecycle.refresh.profile_lock import share_profile_writes
from customers.lifecycle.refresh.profile_updates import recount_customers

DELETE_DERIVED_ROWS = (
    "DELETE FROM lifecycle_stagetransition WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_customerprofile WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_countedsession WHERE customer_id = ANY(%s)",
    "DELETE FROM lifecycle_pendingrecount WHERE customer_id = ANY(%s)",
)


def recount_after_merge(*, pairs: Sequence[tuple[int, int]], at: datetime, **_kwargs: Any) -> None:
    """Delete what was derived for the merged customers and recount the kept ones, after a running refresh.

    pairs: (kept ID, merged ID).
    """
    merged_ids = [merged_id for _kept_id, merged_id in pairs]
    share_profile_writes()
    with connection.cursor() as cursor:
        for statement in DELETE_DERIVED_ROWS:
            cursor.execute(statement, [merged_ids])
    recount_customers(customer_ids=[kept_id for kept_id, _merged_id in pairs], as_of=at)


def recount_after_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], at: datetime, **_kwargs: Any) -> None:
    """Recount both customers of each merge. merges: (kept ID, merged ID, moved rows)."""
    recount_customers(
        customer_ids=[customer_id for kept_id, merged_id, _rows in merges for customer_id in (kept_id, merged_id)],
        as_of=at,
    )


def keep_deleted_customers_out(**_kwargs: Any) -> None:
    """Let the deletion of customers, which follows, and a running refresh not write the same rows."""
    share_profile_writes()


def recount_after_change(*, customer_ids: Sequence[int], at: datetime, **_kwargs: Any) -> None:
    """Recount the customers whose events have changed: identifiers went to another customer, or events were removed."""
    recount_customers(customer_ids=customer_ids, as_of=at)
