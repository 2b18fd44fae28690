"""Customers whom serving must not recognize, because they refused consent or were erased.

Models trained earlier still contain them. A worker keeps sorted 64-bit hashes of their identifiers, so that a lookup takes
microseconds and needs no query. For erased customers the database stores only keyed hashes, which identify nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Count, Max

from config.foundation.keys.hash_keys import compute_short_hash, get_hash_key, get_hash_keys
from config.foundation.keys.key_ids import get_hash_tag
from customers.identity.models import ConsentDenial, Identifier
from recommendations.serving.models import ErasedIdentifier


@dataclass(frozen=True, eq=False)
class SuppressionList:
    """hashes: uint64, sorted. fingerprint: number of rows and newest ids, to notice changes."""

    hashes: npt.NDArray[np.uint64]
    fingerprint: tuple[Any, ...] = ()

    def contains_any(self, names: Sequence[str]) -> bool:
        """Return whether one of these "kind:value" identifiers is suppressed."""
        if not len(self.hashes):
            return False
        hashes = np.array(list_name_hashes(names), np.uint64)
        positions = np.searchsorted(self.hashes, hashes)
        # a hash above all others would have a position past the end; it certainly differs from the first one
        positions[positions == len(self.hashes)] = 0
        return bool((self.hashes[positions] == hashes).any())


EMPTY_SUPPRESSION_LIST = SuppressionList(np.empty(0, np.uint64))


def hash_name(name: str) -> int:
    """Return 64 bits of the BLAKE2b hash of a "kind:value" identifier, keyed with HASH_KEY."""
    return compute_short_hash(name, get_hash_key())


def list_name_hashes(names: Sequence[str]) -> list[int]:
    """Return the hashes of identifiers under every key, because those of erased identifiers keep the key they were made with."""
    return [compute_short_hash(name, key) for key in get_hash_keys() for name in names]


def read_suppression_list(before: SuppressionList = EMPTY_SUPPRESSION_LIST) -> SuppressionList:
    """Return the current list, or the same object if nothing has changed."""
    denials = ConsentDenial.objects.aggregate(count=Count("id"), newest=Max("id"))
    erased = ErasedIdentifier.objects.aggregate(count=Count("id"), newest=Max("id"))
    fingerprint = (*denials.values(), *erased.values())
    if fingerprint == before.fingerprint:
        return before
    names = ConsentDenial.objects.values_list("kind", "value").distinct().iterator(chunk_size=10_000)
    hashes = {hash_name(f"{kind}:{value}") for kind, value in names}
    hashes.update(int(text, 16) for text in ErasedIdentifier.objects.values_list("digest", flat=True).iterator())
    return SuppressionList(np.array(sorted(hashes), np.uint64), fingerprint)


def suppress_erased_customer(*, customer_id: int, at: datetime) -> None:
    """Store the hashes of a customer's identifiers, in the transaction that erases them."""
    identifiers = Identifier.objects.filter(customer=customer_id).values_list("kind", "value")
    suppress_names([f"{kind}:{value}" for kind, value in identifiers], at=at)


def suppress_names(names: Iterable[str], *, at: datetime) -> None:
    """Store the hashes of "kind:value" identifiers that must not be recognized any more."""
    rows = [
        ErasedIdentifier(digest=f"{hash_name(name):016x}", key_id=get_hash_tag(get_hash_key()), erased_at=at)
        for name in names
    ]
    ErasedIdentifier.objects.bulk_create(rows, ignore_conflicts=True)


def release_names(*, identifiers: Iterable[tuple[str, str]], **_kwargs: Any) -> None:
    """Recognize identifiers again after their owner has come back. Receiver of ``identifiers_released``."""
    names = [f"{kind}:{value}" for kind, value in identifiers]
    digests = [f"{value:016x}" for value in list_name_hashes(names)]
    ErasedIdentifier.objects.filter(digest__in=digests).delete()
