"""A file next to the backups that records erased customers, so that a restore of an earlier backup erases them again.

It has no personal data: the customer's number and keyed hashes of identifiers. A line is written when an erasure becomes effective, or
else when it ends, to var/ and to every folder that has received a backup, because the disk with var/ may be the one that is lost. var/
lists these folders. The list is not in the database, because a restore would reset it.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from config.backup.repository import LEDGER, BackupRepository

FOLDERS = "backup-folders.jsonl"


@dataclass(frozen=True)
class LedgerEntry:
    """An erasure: whom, by number and by hashes of their identifiers, and when."""

    at: datetime
    customer_ids: tuple[int, ...]
    hashes: tuple[str, ...]


def get_local_ledger() -> Path:
    return Path(settings.VAR_DIR) / LEDGER


def get_folder_list() -> Path:
    """Return the file that lists the folders that have received a backup; of several lines for a folder, the last one counts."""
    return Path(settings.VAR_DIR) / FOLDERS


def remember_folder(folder: Path, *, at: datetime) -> None:
    """Record erasures in a folder from now on, because it receives a backup."""
    name = str(folder.resolve())
    if name not in read_folders():
        append_lines(get_folder_list(), [json.dumps({"folder": name, "since": at.isoformat()})])


def forget_folder(folder: Path) -> bool:
    """Record no more erasures in a folder, because its backups no longer exist; return whether it was remembered."""
    name = str(folder.resolve())
    is_known = name in read_folders()
    if is_known:
        append_lines(get_folder_list(), [json.dumps({"folder": name, "since": None})])
    return is_known


def read_folders() -> dict[str, datetime]:
    """Return the folders that have received a backup, and since when erasures are recorded in each of them."""
    folders: dict[str, datetime] = {}
    for entry in parse_lines(get_folder_list()):
        folders.pop(entry["folder"], None)
        if entry["since"] is not None:
            folders[entry["folder"]] = datetime.fromisoformat(entry["since"])
    return folders


def list_backup_folders() -> list[Path]:
    """Return the folders in which erasures are recorded; any of them may be unreachable."""
    folders = [Path(name) for name in read_folders()]
    scheduled = Path(settings.BACKUP_DIR) if settings.BACKUP_DIR else None
    # of an earlier version, which did not remember it
    if scheduled is not None and scheduled not in folders and BackupRepository.exists(scheduled):
        folders.append(scheduled)
    return folders


def record_erasure(
    *, at: datetime, customer_ids: Sequence[int], hashes: Sequence[str], since: datetime | None = None
) -> list[Path]:
    """Add an erasure to the ledgers; return the folders of backups that could not be reached.

    since: when it became effective; it is not added again if it was recorded since then. Recording it twice changes nothing for a restore.
    Raises OSError if it cannot be recorded in var/.
    """
    people = (tuple(sorted(customer_ids)), tuple(sorted(hashes)))
    entries = read_erasures([get_local_ledger()], since=since) if since is not None else []
    if people in {(entry.customer_ids, entry.hashes) for entry in entries}:
        return copy_ledger_everywhere()
    line = json.dumps({"at": at.isoformat(), "customers": sorted(customer_ids), "hashes": sorted(hashes)})
    append_lines(get_local_ledger(), [line])
    return copy_ledger_everywhere()


def copy_ledger_everywhere() -> list[Path]:
    """Add what is missing to the ledgers of all folders of backups; return the folders that could not be reached."""
    unreachable = []
    for folder in list_backup_folders():
        try:
            if BackupRepository.exists(folder):
                copy_ledger(folder)
                continue
        except OSError:  # such as a network folder whose server is down, or one that is mounted read-only
            pass
        unreachable.append(folder)
    return unreachable


def copy_ledger(folder: Path) -> None:
    """Add the erasures that this installation knows to the ledger of a folder of backups. Raises OSError."""
    append_lines(folder / LEDGER, find_missing_lines(folder))


def find_missing_lines(folder: Path) -> list[str]:
    """Return the lines of var/ that the ledger of a folder does not have. Raises OSError."""
    known = set(read_lines(folder / LEDGER))
    return [line for line in read_lines(get_local_ledger()) if line not in known]


def find_incomplete_ledgers() -> list[Path]:
    """Return the folders of backups that cannot be reached, or lack erasures because they could not be reached then."""
    incomplete = []
    for folder in list_backup_folders():
        try:
            is_complete = BackupRepository.exists(folder) and not find_missing_lines(folder)
        except OSError:
            is_complete = False
        if not is_complete:
            incomplete.append(folder)
    return incomplete


def read_erasures(paths: Iterable[Path], *, since: datetime) -> list[LedgerEntry]:
    """Return the erasures since a moment, oldest first; an unfinished last line is ignored."""
    entries = set()
    for path in paths:
        for stored in parse_lines(path):
            at = datetime.fromisoformat(stored["at"])
            if at >= since:
                entries.add(LedgerEntry(at, tuple(stored["customers"]), tuple(stored["hashes"])))
    return sorted(entries, key=lambda entry: (entry.at, entry.customer_ids))


def parse_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; lines that were not written completely are left out."""
    for line in read_lines(path):
        try:
            yield json.loads(line)
        except ValueError:
            continue


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
