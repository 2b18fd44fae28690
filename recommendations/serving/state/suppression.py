"""Who is not to be recognised: those who refuse personalisation, and those who were erased, whatever a model still holds of them.

A worker keeps 64-bit hashes of their identifiers, sorted, so that a look-up takes microseconds and no database. Of the erased only
keyed hashes are stored, which name nobody.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.models import Count, Max

from customers.identity.models import ConsentRefusal, Identifier
from recommendations.serving.models import ErasedIdentifier


@dataclass(frozen=True, eq=False)
class Withheld:
    """hashes: uint64, sorted. seen: how many rows there were and the newest of them, to notice a change by."""

    hashes: npt.NDArray[np.uint64]
    seen: tuple[Any, ...] = ()

    def holds(self, names: Sequence[str]) -> bool:
        """Whether one of these "kind:value" names is withheld."""
        if not len(self.hashes):
            return False
        found = np.array([hash_of(name) for name in names], np.uint64)
        places = np.searchsorted(self.hashes, found)
        places[places == len(self.hashes)] = 0
        return bool((self.hashes[places] == found).any())


NOBODY = Withheld(np.empty(0, np.uint64))


def hash_of(name: str) -> int:
    """64 bits of a hash under HASH_KEY."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=settings.HASH_KEY[:64]).digest())


def read_withheld(before: Withheld = NOBODY) -> Withheld:
    """What the database says now; the same object where nothing has changed."""
    refusals = ConsentRefusal.objects.aggregate(count=Count("id"), newest=Max("id"))
    erased = ErasedIdentifier.objects.aggregate(count=Count("id"), newest=Max("id"))
    seen = (*refusals.values(), *erased.values())
    if seen == before.seen:
        return before
    names = ConsentRefusal.objects.values_list("kind", "value").distinct().iterator(chunk_size=10_000)
    hashes = {hash_of(f"{kind}:{value}") for kind, value in names}
    hashes.update(int(text, 16) for text in ErasedIdentifier.objects.values_list("digest", flat=True).iterator())
    return Withheld(np.array(sorted(hashes), np.uint64), seen)


def withhold_erased(*, customer_id: int, at: datetime) -> None:
    """Notes the hashes of a customer's identifiers, inside the erasure's transaction and before they go."""
    identifiers = Identifier.objects.filter(customer=customer_id).values_list("kind", "value")
    withhold([f"{kind}:{value}" for kind, value in identifiers], at=at)


def withhold(names: Iterable[str], *, at: datetime) -> None:
    rows = [ErasedIdentifier(digest=f"{hash_of(name):016x}", erased_at=at) for name in names]
    ErasedIdentifier.objects.bulk_create(rows, ignore_conflicts=True)
