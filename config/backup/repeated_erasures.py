"""Records erasures for later restores, and after a restore repeats the erasures that happened since the backup."""

from collections.abc import Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from config.backup.erasure_ledger import LedgerEntry, record_erasure
from customers.erasure.runner import erase_customers, execute_run
from customers.identity.models import Customer

BATCH_CUSTOMERS = 1_000
REQUESTED_BY = "restore of a backup"


def note_erasure(
    *,
    customer_ids: Sequence[int],
    hashes: Sequence[str],
    at: datetime,
    effective_at: datetime | None = None,
    **_details: Any,
) -> str:
    """Add an erasure that has ended to the ledgers; connected to `people_erased`. Return a warning for folders that do not have it."""
    unreachable = record_erasure(at=at, customer_ids=customer_ids, hashes=hashes, since=effective_at)
    return "\n".join(
        f"The backups in {folder} cannot be reached, so the erasure is not recorded there: a restore from there on another machine "
        "would bring the customers back. It is added as soon as the folder can be reached, with the next erasure, with the next backup "
        f"to it or by the nightly job. If its backups no longer exist, run `manage.py backup {folder} --forget`."
        for folder in unreachable
    )


def note_beginning(
    *, customer_ids: Sequence[int], hashes: Sequence[str], effective_at: datetime, at: datetime, **_details: Any
) -> None:
    """Add an erasure that has become effective to the ledgers; connected to `people_unrecognized`.

    Without this, a restore would bring back everyone whose erasure cannot end, because one store fails.
    """
    record_erasure(at=at, customer_ids=customer_ids, hashes=hashes, since=effective_at)


def erase_again(erasures: Sequence[LedgerEntry]) -> int:
    """Erase the customers of a restored database whom the ledger names; return their number.

    Customer numbers identify them exactly, because the database is in its state from before these erasures.
    """
    erased = 0
    ids = sorted({customer_id for entry in erasures for customer_id in entry.customer_ids})
    for batch in batched(ids, BATCH_CUSTOMERS):
        known = list(Customer.objects.filter(pk__in=batch, erased_at=None).values_list("pk", flat=True))
        if known:
            run = erase_customers(known, requested_by=REQUESTED_BY)
            execute_run(run.pk)
            erased += len(known)
    return erased
