"""Restores a backup: checks first, then the database in one transaction, the files by renaming, Valkey, and the erasures since the backup.

A restore that is killed leaves a mark, and `manage.py up` refuses to start until a restore has ended, or has failed without a change.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection as django_connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from psycopg import sql

from config.backup.creation import fingerprint_keys
from config.backup.database_dump import Connection, open_connection
from config.backup.erasure_ledger import get_local_ledger, list_backup_folders, read_erasures, read_folders
from config.backup.file_dump import list_files, list_roots
from config.backup.repeated_erasures import erase_again
from config.backup.repository import BackupError, BackupRepository
from config.backup.restore_mark import get_restore_mark, has_restore_changed, write_restore_mark
from config.backup.totals import compute_totals
from config.backup.valkey_dump import restore_keys
from config.foundation.progress import Progress, ignore_progress
from config.migration_checks.newer_versions import find_newer_migrations
from recommendations.sending.restores.hold import hold_sending
from recommendations.training.registry.artifact_copies import publish_copies

RESTORING, REPLACED = ".restoring", ".replaced"
SPARE_BYTES = 50_000_000
DATABASE_FACTOR = 1.2  # indexes are built again

# more than a large shop uses of any kind between two backups, except for events, which no link names
MIN_SKIPPED_NUMBERS = 1_000_000
UNKNOWN_SETTING = "SET transaction_timeout"  # servers before version 17 do not know it


@dataclass
class RestoreReport:
    """What a restore did, or would do. differences: totals that differ from those of the backup, as (backup, now)."""

    name: str
    at: str
    rows: int = 0
    files: int = 0
    keys: int = 0
    migrations: int = 0
    erased: int = 0
    differences: dict[str, tuple[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    totals: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_dry_run: bool = False


def restore_backup(
    repository: BackupRepository,
    *,
    name: str = "",
    force: bool = False,
    dry_run: bool = False,
    make_progress: Callable[[str], Progress] = lambda label: ignore_progress,
) -> RestoreReport:
    """Restore a backup, by default the newest.

    Raises:
        BackupError: something exists already and ``force`` is not set, the versions do not fit, or the backup is damaged.
    """
    started = time.monotonic()
    names = repository.list_backups()
    if not names:
        raise BackupError(f"There is no complete backup in {repository.folder}.")
    manifest = repository.load_manifest(name or names[-1])
    report = RestoreReport(manifest["name"], manifest["at"], is_dry_run=dry_run)
    report.rows = sum(table["rows"] for table in manifest["tables"])
    report.files = sum(len(files) for files in manifest["files"].values())
    check_restore(repository, manifest, report, force=force)
    if dry_run:
        report.totals = manifest["totals"]
        return report
    replace_database(repository, manifest, make_progress)
    for root in list_roots().values():
        swap_files(root)
    finish_restore(repository, manifest, report)
    get_restore_mark().unlink()
    report.seconds = round(time.monotonic() - started, 2)
    return report


def replace_database(
    repository: BackupRepository, manifest: dict[str, Any], make_progress: Callable[[str], Progress]
) -> None:
    """Stage the files and replace the database. If that fails, everything is as before, and the mark of this restore is removed."""
    mark = partial(write_restore_mark, backup=manifest["name"], folder=str(repository.folder))
    mark(is_changed=has_restore_changed())
    django_connection.close()
    django_connection.close_pool()  # type: ignore[attr-defined]  # only Django's PostgreSQL backend has it
    try:
        stage_roots(repository, manifest, make_progress("Bytes of files"))
        restore_database(
            repository,
            manifest,
            make_progress("Bytes of the database"),
            before_commit=lambda: mark(is_changed=True),
        )
    except BaseException:  # also Ctrl-C
        if not has_restore_changed():
            for root in list_roots().values():
                shutil.rmtree(root / RESTORING, ignore_errors=True)
            get_restore_mark().unlink()
        raise


def finish_restore(repository: BackupRepository, manifest: dict[str, Any], report: RestoreReport) -> None:
    """Compare the totals, bring the schema up to date, rebuild Valkey's state and repeat the erasures since the backup."""
    with open_connection(autocommit=True) as connection:
        report.totals = compute_totals(connection)
    report.differences = {
        key: (value, report.totals.get(key, ""))
        for key, value in manifest["totals"].items()
        if report.totals.get(key) != value
    }
    known = {tuple(entry) for entry in manifest["migrations"]}
    report.migrations = len(set(MigrationLoader(None).graph.nodes) - known)
    call_command("migrate", interactive=False, verbosity=0)
    hold_sending(backup_at=datetime.fromisoformat(manifest["at"]), restored_at=timezone.now())
    publish_copies()
    try:
        report.keys = restore_keys(repository, manifest.get("valkey", []))
    except redis.RedisError as error:
        report.warnings.append(
            f"Recent activity in Valkey could not be restored ({error}); it fills up with new events."
        )
    erasures = read_erasures((repository.ledger, get_local_ledger()), since=datetime.fromisoformat(manifest["at"]))
    report.erased = erase_again(erasures)


def check_restore(
    repository: BackupRepository, manifest: dict[str, Any], report: RestoreReport, *, force: bool
) -> None:
    """Check versions, space, and that nothing is overwritten. Raises BackupError."""
    if newer := find_newer_migrations((app, name) for app, name in manifest["migrations"]):
        raise BackupError(
            f"The backup is of a newer version of Perennial: it has the migration {newer[0]}. Install that version first."
        )
    with open_connection(autocommit=True) as connection:
        check_database(connection, manifest, force=force)
    existing = [str(root) for root in list_roots().values() if next(list_files(root), None) is not None]
    if existing and not force:
        raise BackupError(f"These folders have files: {', '.join(existing)}. To replace them, add --force.")
    needed = sum(file["size"] for files in manifest["files"].values() for file in files) + SPARE_BYTES
    if settings.DATABASES["default"]["HOST"] in ("127.0.0.1", "localhost", "::1"):
        needed += int(manifest["database"]["bytes"] * DATABASE_FACTOR)
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free < needed:
        raise BackupError(
            f"The disk of {settings.VAR_DIR} has {free // 1_000_000:,} MB free; the restore needs {needed // 1_000_000:,} MB."
        )
    check_ledger(repository, manifest, report)
    if not set(manifest["keys"]) <= set(fingerprint_keys()):
        report.warnings.append(
            "The keys of this installation do not match the backup: addresses and other sealed data cannot be read. Restore "
            "the keys from their own backup (manage.py restore_keys)."
        )


def check_ledger(repository: BackupRepository, manifest: dict[str, Any], report: RestoreReport) -> None:
    """Warn if erasures since the backup may be missing: var/ has all of them only on the installation that made the backup."""
    at = datetime.fromisoformat(manifest["at"])
    since = read_folders().get(str(repository.folder.resolve()))
    if since is not None and since <= at:
        return
    erasures = read_erasures((repository.ledger, get_local_ledger()), since=at)
    latest = f", the latest of {erasures[-1].at.isoformat()}" if erasures else ""
    report.warnings.append(
        "This installation has no record of having made the backup, so it repeats only the erasures that are recorded in "
        f"{repository.ledger}: {len(erasures)} since the backup{latest}. Erasures that ended while the folder could not be reached, or "
        "after it was copied, may be missing: compare with your record of requests, and erase these customers again."
    )
    if repository.folder not in list_backup_folders():
        report.warnings.append(
            f"New erasures are not recorded in {repository.folder} until this installation makes a backup there."
        )


def check_database(connection: Connection, manifest: dict[str, Any], *, force: bool) -> None:
    """Check the server's version, that the database is empty, and that nobody uses it. Raises BackupError."""
    version = connection.info.server_version
    if version // 10_000 < manifest["database"]["version"] // 10_000:
        raise BackupError(
            f"The backup is of PostgreSQL {manifest['database']['version'] // 10_000}; the server has version {version // 10_000}, "
            "which is older. Restore it to a server of the same or a newer version."
        )
    row = connection.execute(
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    (tables,) = row.fetchone() or (0,)
    if tables and not force:
        raise BackupError(
            f"The database is not empty: it has {tables} tables. To replace everything in it, add --force."
        )
    others = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' AND application_name <> 'perennial backup'"
    ).fetchone()
    own = 1 if django_connection.connection is not None else 0
    if others is not None and others[0] > own:
        raise BackupError("Other programs use the database. Stop Perennial (`manage.py up`), then restore.")


def restore_database(
    repository: BackupRepository,
    manifest: dict[str, Any],
    progress: Progress,
    *,
    before_commit: Callable[[], object],
) -> None:
    """Replace the database in one transaction: until its end, everything stays as it was. Raises BackupError."""
    total, done = sum(table["bytes"] for table in manifest["tables"]), 0
    try:
        with open_connection(autocommit=False) as connection:
            connection.execute("SET LOCAL lock_timeout = '10s'")
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            run_statements(connection, repository, manifest["schema"]["before"])
            for table in manifest["tables"]:
                load_table(connection, repository, table)
                done += table["bytes"]
                progress(done, total)
            run_statements(connection, repository, manifest["schema"]["after"])
            advance_sequences(connection, manifest["sequences"])
            before_commit()
        with open_connection(autocommit=True) as connection:
            connection.execute("ANALYZE")
    except psycopg.Error as error:
        raise BackupError(f"The database could not be restored, and is as before: {error}") from error


def advance_sequences(connection: Connection, sequences: list[list[Any]]) -> None:
    """Set each sequence so far above its value in the backup that no number is given out twice.

    Links in messages, webhooks and codes that left Perennial after the backup have higher numbers than the restored tables. Small
    sequences keep at least half of their remaining numbers.
    """
    for name, value in sequences:
        margin = max(MIN_SKIPPED_NUMBERS, (value or 0) // 10)
        connection.execute(
            "SELECT setval(%(name)s::regclass, %(value)s + least(%(margin)s, (seqmax - %(value)s) / 2))"
            " FROM pg_sequence WHERE seqrelid = %(name)s::regclass",
            {"name": f'public."{name}"', "value": value or 1, "margin": margin},
        )


def load_table(connection: Connection, repository: BackupRepository, table: dict[str, Any]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier("public", table["name"]), sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for part in table["parts"]:
                copy.write(repository.load(part))
        if cursor.rowcount != table["rows"]:
            raise BackupError(f"{table['name']} should have {table['rows']} rows, but has {cursor.rowcount}.")


def run_statements(connection: Connection, repository: BackupRepository, parts: list[str]) -> None:
    """Run the statements of pg_dump, which are written for psql."""
    text = b"".join(map(repository.load, parts)).decode()
    lines = [line for line in text.splitlines() if not line.startswith(UNKNOWN_SETTING)]
    statements = "\n".join(lines).replace("CREATE SCHEMA public;", "CREATE SCHEMA IF NOT EXISTS public;")
    connection.execute(statements.encode())
    connection.execute("SET search_path TO public")


def stage_roots(repository: BackupRepository, manifest: dict[str, Any], progress: Progress) -> None:
    """Write all files next to the existing ones, after checking their contents."""
    total, done = sum(file["size"] for files in manifest["files"].values() for file in files), 0
    for name, root in list_roots().items():
        staging = root / RESTORING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700, parents=True)
        for file in manifest["files"].get(name, []):
            path = staging / file["path"]
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb") as target:
                for part in file["parts"]:
                    target.write(repository.load(part))
            os.utime(path, ns=(file["modified"], file["modified"]))
            done += file["size"]
            progress(done, total)


def swap_files(root: Path) -> None:
    """Replace the content of a folder with the files staged in it; the folder itself may be a mount point."""
    staging, replaced = root / RESTORING, root / REPLACED
    if replaced.exists():  # of an attempt that was killed here; the database is that of the backup since then
        shutil.rmtree(replaced)
    replaced.mkdir(mode=0o700)
    for path in list(root.iterdir()):
        if path.name not in (RESTORING, REPLACED):
            path.rename(replaced / path.name)
    for path in list(staging.iterdir()):
        path.rename(root / path.name)
    staging.rmdir()
    shutil.rmtree(replaced)
