"""A file next to the backups that records erased customers, so that a restore of an earlier backup erases them again.

It has no personal data: the customer's number and keyed hashes of identifiers. A line is written when an erasure ends, to var/ and to
BACKUP_DIR, because the disk with var/ may be the one that is lost.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from config.backup.repository import LEDGER, BackupRepository


@dataclass(frozen=True)
class LedgerEntry:
    """An erasure: whom, by number and by hashes of their identifiers, and when."""

    at: datetime
    customer_ids: tuple[int, ...]
    hashes: tuple[str, ...]


def get_local_ledger() -> Path:
    return Path(settings.VAR_DIR) / LEDGER


def record_erasure(*, at: datetime, customer_ids: Sequence[int], hashes: Sequence[str]) -> None:
    """Add an erasure to the ledgers; recording it twice changes nothing for a restore."""
    line = json.dumps({"at": at.isoformat(), "customers": sorted(customer_ids), "hashes": sorted(hashes)})
    append_lines(get_local_ledger(), [line])
    if settings.BACKUP_DIR and BackupRepository.exists(Path(settings.BACKUP_DIR)):
        append_lines(Path(settings.BACKUP_DIR) / LEDGER, [line])


def copy_ledger(repository: BackupRepository) -> None:
    """Add the erasures that this installation knows to the ledger of a folder of backups."""
    known = set(read_lines(repository.ledger))
    append_lines(repository.ledger, [line for line in read_lines(get_local_ledger()) if line not in known])


def read_erasures(paths: Iterable[Path], *, since: datetime) -> list[LedgerEntry]:
    """Return the erasures since a moment, oldest first; an unfinished last line is ignored."""
    entries = set()
    for path in paths:
        for line in read_lines(path):
            try:
                stored = json.loads(line)
            except ValueError:
                continue
            at = datetime.fromisoformat(stored["at"])
            if at >= since:
                entries.add(LedgerEntry(at, tuple(stored["customers"]), tuple(stored["hashes"])))
    return sorted(entries, key=lambda entry: (entry.at, entry.customer_ids))


def read_lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line]
    except FileNotFoundError:
        return []


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines durably, with one write. If the last line is unfinished, as after a full disk, they do not continue it."""
    if not lines:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            file.write(b"\n")
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())
