"""Makes a backup while Perennial runs: database and files of one moment."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, ProgrammingError
from django.utils import timezone

from config.backup import database_dump, file_dump, valkey_dump
from config.backup.erasure_ledger import copy_ledger, remember_folder
from config.backup.repository import BackupError, BackupRepository
from config.backup.totals import compute_totals
from config.foundation.database.missing_tables import is_table_missing
from config.foundation.progress import Progress, ignore_progress
from recommendations.training.registry.promotion import copy_active_artifacts

DATABASE_SHARE = 0.5  # of the database size; compressed rows without indexes never take more
SPARE_BYTES = 50_000_000


@dataclass(frozen=True)
class BackupResult:
    """A backup that was made. new_bytes: what it added to the folder."""

    name: str
    tables: int
    rows: int
    files: int
    bytes: int
    new_bytes: int
    seconds: float
    removed: int = 0


def create_backup(
    repository: BackupRepository,
    *,
    at: datetime,
    keep: int = 0,
    make_progress: Callable[[str], Progress] = lambda label: ignore_progress,
    after_snapshot: Callable[[], object] = lambda: None,
) -> BackupResult:
    """Back up everything but the keys; with ``keep``, remove older backups afterwards.

    after_snapshot: called as soon as the point in time of the backup is fixed.

    Raises:
        BackupError: there is too little space, or the database, a program or a folder fails.
    """
    started = time.monotonic()
    with repository.lock(), file_dump.stage_folder() as staging:
        try:
            # before the moment of the backup: from then on, no erasure is missing next to it
            remember_folder(repository.folder, at=at)
            copy_active_artifacts()
            manifest = _store_moment(repository, staging, at, make_progress, after_snapshot)
            repository.save_manifest(manifest)
        except OSError as error:
            raise BackupError(
                f"The backup in {repository.folder} could not be written: {error.strerror}. No backup was created; earlier "
                "ones are unchanged. Free some space, then start it again: parts that are already stored are reused."
            ) from error
        except (ProgrammingError, psycopg.ProgrammingError) as error:
            if not is_table_missing(error):
                raise
            raise BackupError(
                "The tables of the database do not match this version. Run `manage.py migrate`, then start the backup again."
            ) from error
        except (OperationalError, psycopg.OperationalError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise BackupError(
                f"The database did not respond while the backup was made ({reason}). No backup was created; earlier ones are unchanged. "
                "Check that PostgreSQL runs and has free space, then start it again: parts that are already stored are reused."
            ) from error
        removed = repository.remove_old(keep=keep)[0] if keep else 0
    return BackupResult(
        name=manifest["name"],
        tables=len(manifest["tables"]),
        rows=sum(table["rows"] for table in manifest["tables"]),
        files=sum(len(files) for files in manifest["files"].values()),
        bytes=sum(table["bytes"] for table in manifest["tables"])
        + sum(file["size"] for files in manifest["files"].values() for file in files),
        new_bytes=repository.new_bytes,
        seconds=round(time.monotonic() - started, 2),
        removed=removed,
    )


def _store_moment(
    repository: BackupRepository,
    staging: Path,
    at: datetime,
    make_progress: Callable[[str], Progress],
    after_snapshot: Callable[[], object],
) -> dict[str, Any]:
    names = repository.list_backups()
    earlier = repository.load_manifest(names[-1]) if names else None
    with database_dump.open_snapshot_with_files(lambda: file_dump.stage_files(staging)) as moment:
        after_snapshot()
        connection, snapshot, files = moment
        database = database_dump.measure_database(connection)
        require_space(repository, earlier=earlier, database=database, files=files)
        schema = {
            key: [repository.store(database_dump.dump_schema(snapshot, section=section))]
            for key, section in (("before", "pre-data"), ("after", "post-data"))
        }
        tables, sequences = database_dump.dump_tables(connection, repository, make_progress("Database"))
        migrations, totals = database_dump.read_migrations(connection), compute_totals(connection)
    stored = file_dump.store_files(
        files,
        repository,
        earlier=earlier["files"] if earlier else {},
        progress=make_progress("Bytes of files"),
    )
    copy_ledger(repository.folder)
    valkey, keys = valkey_dump.dump_keys(repository)
    return {
        "name": choose_name(names, at),
        "at": at.isoformat(),
        "finished_at": timezone.now().isoformat(),
        "database": database,
        "schema": schema,
        "tables": tables,
        "sequences": sequences,
        "migrations": migrations,
        "totals": totals,
        "files": stored,
        "valkey": valkey,
        "valkey_keys": keys,
        "keys": fingerprint_keys(),
    }


def choose_name(names: list[str], at: datetime) -> str:
    """Return the time as a name; if the clock was set back, return a name that still sorts last."""
    name = at.strftime("%Y%m%dT%H%M%SZ")
    return name if not names or name > names[-1] else f"{names[-1]}a"


def require_space(
    repository: BackupRepository,
    *,
    earlier: dict[str, Any] | None,
    database: dict[str, Any],
    files: list[file_dump.StagedFile],
) -> None:
    """Check that the disk has room for everything that is new since the earlier backup. Raises BackupError."""
    known = {
        (root, file["path"], file["size"], file["modified"])
        for root, stored in (earlier["files"] if earlier else {}).items()
        for file in stored
    }
    new_files = sum(file.size for file in files if (file.root, file.path, file.size, file.modified) not in known)
    grown = database["bytes"] - (earlier["database"]["bytes"] * 0.8 if earlier else 0)
    needed = int(max(grown, 0) * DATABASE_SHARE) + new_files + SPARE_BYTES
    free = repository.measure_free_bytes()
    if free < needed:
        raise BackupError(
            f"The disk of {repository.folder} has {free // 1_000_000:,} MB free; the backup may need "
            f"{needed // 1_000_000:,} MB. Free some space, keep fewer backups, or choose another folder."
        )


def fingerprint_keys() -> list[str]:
    """Return a fingerprint that shows whether the keys are the same, without revealing them."""
    keys = [key.encode() for key in (*settings.FIELD_KEYS, *settings.HASH_KEYS)]
    return [blake2b(b"perennial key fingerprint" + key, digest_size=8).hexdigest() for key in keys]
