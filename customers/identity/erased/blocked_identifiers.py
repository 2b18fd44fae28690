"""Keyed hashes of the identifiers of erased people, and whether an identifier is among them.

64 bits of a "kind:value" identifier are stored. They identify nobody without the key, and two of a million identifiers share a hash with
a probability of 1 in 30 million. Several keys may be in use during a rotation: an identifier is blocked if its hash under any of them is.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from config.foundation.keys.adoption import register_adoption_listener
from config.foundation.keys.hash_keys import get_hash_key, get_hash_keys
from config.foundation.keys.key_ids import get_hash_tag
from customers.identity.models import BlockedIdentifier
from customers.identity.signals import identifiers_released

FIND_BLOCKED = "SELECT digest FROM identity_blockedidentifier WHERE digest = ANY(%s) AND released_at IS NULL"
# both are answered by an index, whatever the number of rows
READ_VERSION = (
    "SELECT max(id), (SELECT max(released_at) FROM identity_blockedidentifier) FROM identity_blockedidentifier"
)
READ_HASHES = "SELECT digest FROM identity_blockedidentifier WHERE released_at IS NULL"
REFRESH_SECONDS = 1.0
HASHED_KINDS = ("email_hash", "phone_hash", "openid_hash", "unionid_hash")

type Key = tuple[str, str]  # kind, value


def list_hash_keys() -> list[bytes]:
    """Return all keys under which identifiers may have been hashed, the current one first."""
    return [key.encode()[:64] for key in get_hash_keys()]


def hash_identifier_name(name: str, key: bytes) -> bytes:
    """Return 8 bytes of the BLAKE2b hash of a "kind:value" identifier under a key."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()


def list_digests(keys: Iterable[Key]) -> dict[str, Key]:
    """Return the identifiers by their hash, under every key."""
    hash_keys = list_hash_keys()
    return {
        hash_identifier_name(f"{kind}:{value}", key).hex(): (kind, value) for kind, value in keys for key in hash_keys
    }


def block_identifiers(keys: Iterable[Key], *, at: datetime) -> int:
    """Block identifiers in the caller's transaction; return how many were not blocked before."""
    current = list_hash_keys()[0]
    rows = [
        BlockedIdentifier(
            digest=hash_identifier_name(f"{kind}:{value}", current).hex(),
            kind=kind,
            blocked_at=at,
            key_id=get_hash_tag(get_hash_key()),
        )
        for kind, value in sorted(set(keys))
    ]
    before = set(find_blocked_digests(row.digest for row in rows))
    # who was released and is erased again gets a new row, because running processes notice a block by the highest ID
    BlockedIdentifier.objects.filter(digest__in=[row.digest for row in rows], released_at__isnull=False).delete()
    BlockedIdentifier.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["blocked_at", "released_at", "released_by"],
    )
    return sum(row.digest not in before for row in rows)


@register_adoption_listener
def carry_blocks(pairs: Sequence[tuple[str, str]]) -> None:
    """Block the new hash of an address whose hash under an older key is blocked; called when the address appears again."""
    renamed = {(kind, old): (kind, new) for kind in HASHED_KINDS for old, new in pairs}
    digests = list_digests(renamed)
    blocked = BlockedIdentifier.objects.filter(digest__in=list(digests), released_at=None).values_list(
        "digest", "blocked_at"
    )
    for digest, at in blocked:
        block_identifiers([renamed[digests[digest]]], at=at)


def find_blocked_keys(keys: Iterable[Key]) -> set[Key]:
    """Return those of the identifiers that are blocked, according to the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM identity_blockedidentifier)")
        if cursor.fetchone() != (True,):
            return set()
    digests = list_digests(keys)
    return {digests[digest] for digest in find_blocked_digests(digests)}


def find_blocked_digests(digests: Iterable[str]) -> list[str]:
    """Return those of the hashes that are blocked."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_BLOCKED, [list(digests)])
        return [digest for (digest,) in cursor.fetchall()]


def find_last_block(keys: Iterable[Key]) -> datetime | None:
    """Return when the last of the identifiers was blocked; None if none of them is blocked now."""
    blocked = BlockedIdentifier.objects.filter(digest__in=list(list_digests(keys)), released_at=None)
    return max(blocked.values_list("blocked_at", flat=True), default=None)


@transaction.atomic
def release_identifiers(keys: Iterable[Key], *, at: datetime, by: str) -> int:
    """Release identifiers because the person has come back at their own request; return how many were blocked.

    `identifiers_released` tells other apps that keep hashes of their own. Events that the caller stores next are stored with the person.
    """
    digests = list_digests(keys)
    blocked = BlockedIdentifier.objects.filter(digest__in=list(digests), released_at=None)
    released = blocked.update(released_at=at, released_by=by[:100])
    blocked_index.expire()
    identifiers_released.send(sender=BlockedIdentifier, identifiers=sorted(set(digests.values())))
    return released


class BlockedIndex:
    """The blocked hashes in the memory of a process, sorted; read again within a second after they have changed."""

    def __init__(self) -> None:
        self._hashes: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._version: tuple[Any, ...] | None = None
        self._due_at = 0.0
        self._lock = threading.Lock()

    def refresh(self, database: Any) -> None:
        """Read the hashes again if they have changed. database: a connection with `execute`, such as psycopg's."""
        if time.monotonic() < self._due_at or not self._lock.acquire(blocking=False):
            return
        try:
            version = tuple(database.execute(READ_VERSION).fetchone())
            if version != self._version:
                texts = [row[0] for row in database.execute(READ_HASHES).fetchall()]
                self._hashes = np.sort(np.array([int(text, 16) for text in texts], np.uint64))
                self._version = version
            self._due_at = time.monotonic() + REFRESH_SECONDS
        finally:
            self._lock.release()

    def expire(self) -> None:
        """Make the next call of this process read the hashes again, without waiting for the second."""
        self._due_at = 0.0

    def find_any(self, names: Sequence[Sequence[str]]) -> list[int]:
        """Return the positions of the lists of "kind:value" identifiers in which at least one is blocked."""
        hashes = self._hashes
        if not len(hashes):
            return []
        keys = list_hash_keys()
        owners = [position for position, own in enumerate(names) for _name in own for _key in keys]
        values = b"".join(hash_identifier_name(name, key) for own in names for name in own for key in keys)
        wanted = np.frombuffer(values, ">u8").astype(np.uint64)
        places = np.searchsorted(hashes, wanted)
        places[places == len(hashes)] = 0  # above all others, so certainly not equal to the first
        return sorted({owners[index] for index in np.flatnonzero(hashes[places] == wanted).tolist()})


blocked_index = BlockedIndex()
