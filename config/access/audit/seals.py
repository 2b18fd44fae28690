"""Seals the audit log, so that an edited, removed or inserted entry is found, even if a database administrator did it.

A seal covers the entries committed since the one before. It holds a keyed hash of each entry, and its own hash covers these and the seal
before it, so no part of the chain can be replaced without the key, which the database does not have. Entries are sealed in the
background: writing one never waits for another.
"""

import hmac
import json
import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from auditlog.models import LogEntry
from django.conf import settings
from django.db import connection, transaction

from config.access.audit.retention import MIN_DAYS, PURGE_EVENT
from config.access.models import AuditRedaction, AuditSeal, UnsealedEntry
from config.foundation.keys.hash_keys import derive_key, get_hash_keys
from config.foundation.keys.live_keys import read_entries

logger = logging.getLogger(__name__)

BATCH = 1000
HASH_LENGTH = 16
NO_SEAL = b""
SEAL_PURPOSE = "seals of the audit log"
FIELDS = (
    "id", "content_type_id", "object_pk", "object_id", "object_repr", "serialized_data", "action", "changes_text", "changes",
    "actor_id", "actor_email", "cid", "remote_addr", "remote_port", "timestamp", "additional_data",
)  # fmt: skip
TAKE_UNSEALED = """
    DELETE FROM access_unsealedentry WHERE entry_id IN (
        SELECT entry_id FROM access_unsealedentry ORDER BY entry_id LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING entry_id
"""
FIND_UNKNOWN = """
    WITH known AS (
        SELECT unnest(entry_ids) AS id FROM access_auditseal UNION ALL SELECT entry_id FROM access_unsealedentry
    )
    SELECT id FROM auditlog_logentry entry WHERE NOT EXISTS (SELECT 1 FROM known WHERE known.id = entry.id) ORDER BY id
"""


@dataclass(slots=True)
class AuditReport:
    """The result of a verification.

    Attributes:
        broken_seals: seals that are missing, or whose own hash is wrong.
        inserted: entries that no seal covers and that the application did not add.
        purged: entries that were deleted after the retention period.
    """

    seals: int = 0
    sealed: int = 0
    unsealed: int = 0
    purged: int = 0
    head: str = ""
    edited: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    broken_seals: list[int] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        return not (self.edited or self.removed or self.inserted or self.broken_seals)


def seal_entries(*, now: datetime) -> int:
    """Seal all entries that have no seal yet and return their number; one process at a time."""
    total = 0
    while sealed := _seal_batch(now):
        total += sealed
        if sealed < BATCH:
            break
    return total


def _seal_batch(now: datetime) -> int:
    with transaction.atomic():
        last = AuditSeal.objects.select_for_update().order_by("-number").first()
        with connection.cursor() as cursor:
            cursor.execute(TAKE_UNSEALED, [BATCH])
            ids = sorted(row[0] for row in cursor.fetchall())
        if not ids:
            return 0
        key = list_seal_keys()[0]
        hashes = hash_entries(ids, key)
        seal = AuditSeal(number=last.number + 1 if last else 1, created_at=now, entry_ids=ids)
        # an entry that has already been deleted gets an empty hash, so the verification reports it
        seal.entry_hashes = b"".join(hashes.get(pk, bytes(HASH_LENGTH)) for pk in ids)
        seal.seal = compute_seal(seal, bytes(last.seal) if last else NO_SEAL, key)
        seal.save(force_insert=True)
    # a copy of the log of the process, kept on another machine, shows that nobody cut off the end of the chain
    logger.info("Audit log seal %s", seal)
    return len(ids)


def hash_entries(ids: Sequence[int], key: bytes) -> dict[int, bytes]:
    """Return the keyed hash of each stored entry."""
    rows = LogEntry.objects.filter(pk__in=ids).order_by().values_list(*FIELDS)
    return {row[0]: hmac.new(key, serialize_row(row), sha256).digest()[:HASH_LENGTH] for row in rows.iterator()}


def serialize_row(row: Sequence[Any]) -> bytes:
    """Return all fields of an entry as bytes that are the same for equal values."""
    values = [value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in row]
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def compute_seal(seal: AuditSeal, previous: bytes, key: bytes) -> bytes:
    """Return the hash of a seal over everything it holds, and over the seal before it."""
    ids = struct.pack(f">{len(seal.entry_ids)}q", *seal.entry_ids)
    head = (
        f"{seal.number}:{seal.created_at.astimezone(UTC).isoformat()}:{len(seal.entry_ids)}:{len(previous)}:".encode()
    )
    return hmac.new(key, b"".join([head, previous, ids, bytes(seal.entry_hashes)]), sha256).digest()


def verify_entries(*, now: datetime, known_seal: str = "") -> AuditReport:
    """Check every entry against the seals.

    Args:
        known_seal: a seal that was noted elsewhere (`number:hash`); it must still be part of the chain.
    """
    report = AuditReport()
    missing: list[tuple[int, int]] = []  # seal and entry
    previous, number, keys = NO_SEAL, 0, list_seal_keys()
    for seal in AuditSeal.objects.order_by("number").iterator(chunk_size=20):
        report.broken_seals += range(number + 1, seal.number)
        key = find_seal_key(seal, previous, keys)
        if key is None:
            report.broken_seals.append(seal.number)
        previous, number = bytes(seal.seal), seal.number
        report.seals += 1
        report.head = str(seal)
        missing += _check_seal(seal, report, key or keys[0], keys)
    purged_until = find_purged_until(now=now)  # last: a purge may have run meanwhile
    report.removed = [pk for seal_number, pk in missing if seal_number > purged_until]
    report.purged = len(missing) - len(report.removed)
    _check_known_seal(known_seal, report)
    report.inserted = _find_unknown_entries()
    report.unsealed = UnsealedEntry.objects.count()
    return report


def find_purged_until(*, now: datetime) -> int:
    """Return the number of the last seal whose entries were deleted after the retention period; 0 if none was.

    An entry that claims the deletion of newer entries is ignored.
    """
    numbers = [0]
    for purge in LogEntry.objects.filter(additional_data__event=PURGE_EVENT, timestamp__lte=now).order_by():
        number = int(purge.additional_data["details"]["until_seal"])
        newest = purge.timestamp - timedelta(days=MIN_DAYS)
        if AuditSeal.objects.filter(number=number, created_at__lte=newest).exists():
            numbers.append(number)
    return max(numbers)


def _check_seal(seal: AuditSeal, report: AuditReport, key: bytes, keys: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Compare the entries of a seal with their hashes; yield the number of the seal with each entry that is missing."""
    hashes = hash_entries(seal.entry_ids, key)
    redacted = find_redacted(seal.entry_ids, keys)
    for pk, expected in _split_hashes(seal):
        found = hashes.get(pk)
        if found is None:
            yield seal.number, pk
        elif not hmac.compare_digest(found, expected) and pk not in redacted:
            report.edited.append(pk)
        else:
            report.sealed += 1


def find_redacted(ids: Sequence[int], keys: Sequence[bytes]) -> set[int]:
    """Return the entries from which an erased person was removed and that have not been changed since.

    The hash of such an entry was made with the newest key at that time.
    """
    rows = {
        pk: bytes(value)
        for pk, value in AuditRedaction.objects.filter(entry_id__in=ids).values_list("entry_id", "entry_hash")
    }
    found: set[int] = set()
    for key in keys if rows else ():
        hashes = hash_entries(list(rows), key)
        found.update(pk for pk, value in rows.items() if pk in hashes and hmac.compare_digest(hashes[pk], value))
    return found


def _split_hashes(seal: AuditSeal) -> Iterator[tuple[int, bytes]]:
    hashes = bytes(seal.entry_hashes)
    for index, pk in enumerate(seal.entry_ids):
        yield pk, hashes[index * HASH_LENGTH : (index + 1) * HASH_LENGTH]


def _check_known_seal(known_seal: str, report: AuditReport) -> None:
    if not known_seal:
        return
    number = known_seal.partition(":")[0]
    seal = AuditSeal.objects.filter(number=int(number)).first() if number.isdecimal() else None
    if seal is None or str(seal) != known_seal:
        report.broken_seals.append(int(number) if number.isdecimal() else 0)


def _find_unknown_entries() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(FIND_UNKNOWN)
        return [row[0] for row in cursor.fetchall()]


def list_seal_keys() -> list[bytes]:
    """Return the keys of the seals, newest first; they are derived from those in ``var/secrets`` or the environment."""
    derived = [derive_key(key, SEAL_PURPOSE) for key in get_hash_keys()]
    return [*derived, *(bytes.fromhex(key) for key in read_seal_keys())]


def read_seal_keys() -> list[str]:
    """Return the seal keys of hash keys that were removed, as hexadecimal digits: they verify seals and do nothing else."""
    return [*settings.SEAL_KEYS, *read_entries(get_seal_keys_path())]


def get_seal_keys_path() -> Path:
    return Path(settings.VAR_DIR) / "secrets" / "seal-keys"


def find_seal_key(seal: AuditSeal, previous: bytes, keys: Sequence[bytes]) -> bytes | None:
    """Return the key that made a seal; None if no key did."""
    stored = bytes(seal.seal)
    return next((key for key in keys if hmac.compare_digest(compute_seal(seal, previous, key), stored)), None)
