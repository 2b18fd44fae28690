"""Backup and restore: parts, checks, and a whole database that is restored into another one."""

import errno
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_celery_beat.models import PeriodicTask
from psycopg import sql

from config.backup import creation, database_dump, file_dump, restoring
from config.backup.database_dump import cut_parts
from config.backup.erasure_ledger import (
    copy_ledger_everywhere,
    find_incomplete_ledgers,
    get_folder_list,
    get_local_ledger,
    list_backup_folders,
    read_erasures,
    read_lines,
    record_erasure,
    remember_folder,
)
from config.backup.repeated_erasures import erase_again, note_erasure
from config.backup.repository import BackupError, BackupRepository
from config.backup.restore_mark import get_restore_mark, has_restore_changed, write_restore_mark
from config.backup.status import BackupStatus, read_backup_status
from config.backup.tasks import back_up
from config.backup.verification import verify_backup
from config.foundation.personal_data.inventory import list_unknown_names
from config.foundation.personal_data.locations import LocationKind
from config.foundation.progress import Progress, ignore_progress
from config.jobs.models import ScheduledRun
from config.schedule import sync_schedule
from customers.identity.models import Customer
from tests.child_processes import get_test_database_url
from tests.makers import make_customer

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
COPY = "backup_target"


@pytest.fixture
def folders(settings: object, tmp_path: Path) -> Path:
    """Give every kind of file a folder of its own."""
    for name in ("VAR_DIR", "MODELS_DIR", "MERCHANDISING_DIR", "EXPORTS_DIR", "MEDIA_ROOT", "WAREHOUSE_URL"):
        folder = tmp_path / "var" if name == "VAR_DIR" else tmp_path / "var" / name.lower()
        folder.mkdir(parents=True, exist_ok=True)
        setattr(settings, name, str(folder) if name == "WAREHOUSE_URL" else folder)
    (tmp_path / "var" / "models_dir" / "m1").mkdir()
    (tmp_path / "var" / "models_dir" / "m1" / "weights.npy").write_bytes(os.urandom(100_000))
    (tmp_path / "var" / "warehouse_url" / "orders").mkdir()
    (tmp_path / "var" / "warehouse_url" / "orders" / "notes.txt").write_bytes(b"rows" * 1000)
    return tmp_path / "var"


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Make a second, empty database on the server of the tests; yield its URL."""
    url = get_test_database_url()
    name = f"{COPY}_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    yield url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_restored_with_all_rows_files_and_sequences(
    folders: Path, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [make_customer() for _number in range(3)]
    repository = BackupRepository.create(tmp_path / "backups", passphrase="correct horse")
    first = creation.create_backup(repository, at=NOW)
    assert (first.files, first.removed) == (2, 0)
    # nothing has changed: the second backup adds its manifest only
    repository = BackupRepository(tmp_path / "backups", passphrase="correct horse")
    again = creation.create_backup(repository, at=NOW + timedelta(hours=1), keep=1)
    assert again.new_bytes < first.new_bytes / 20
    assert (again.rows, again.removed) == (first.rows, 1)
    assert repository.list_backups() == ["20261101T130000Z"]
    assert verify_backup(repository).problems == []

    (folders / "models_dir" / "m1" / "weights.npy").write_bytes(b"later")
    monkeypatch.setattr(database_dump, "build_address", lambda: empty_database)
    monkeypatch.setattr(restoring, "restore_keys", lambda repository, parts: 0)
    with pytest.raises(BackupError, match="have files"):
        restoring.restore_backup(repository)
    assert restoring.restore_backup(repository, force=True, dry_run=True).rows == first.rows
    report = restoring.restore_backup(repository, force=True)
    assert (report.differences, report.warnings, report.rows) == ({}, [], first.rows)
    assert (folders / "models_dir" / "m1" / "weights.npy").stat().st_size == 100_000
    assert not get_restore_mark().exists()
    with psycopg.connect(empty_database) as restored:
        assert restored.execute("SELECT count(*) FROM identity_customer").fetchone() == (3,)
        row = restored.execute("SELECT nextval(pg_get_serial_sequence('identity_customer', 'id'))").fetchone()
        assert row is not None
        # whatever was given out between the backup and the loss is not given out again
        assert row[0] > max(customer.pk for customer in customers) + 500_000
        small = restored.execute("SELECT nextval(pg_get_serial_sequence('auth_group', 'id'))").fetchone()
        assert small is not None
        assert small[0] > 500_000
        restored.rollback()
    with pytest.raises(BackupError, match="not empty"):
        restoring.restore_backup(repository)


@pytest.mark.django_db(transaction=True)
def test_only_a_restore_that_may_have_changed_something_leaves_a_mark(
    folders: Path, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_customer()
    repository = BackupRepository.create(tmp_path / "backups")
    creation.create_backup(repository, at=NOW)
    monkeypatch.setattr(database_dump, "build_address", lambda: empty_database)
    tables = repository.load_manifest(repository.list_backups()[-1])["tables"]
    part = next(table["parts"][0] for table in tables if table["name"] == "identity_customer")
    path = tmp_path / "backups" / "parts" / part[:2] / part
    content = path.read_bytes()

    path.write_bytes(content[:-1])  # damaged
    # the first attempt; another one was killed while it staged files; another one was killed after the database was replaced
    for is_changed in (None, False, True):
        if is_changed is not None:
            write_restore_mark(backup="b", folder="f", is_changed=is_changed)
        with pytest.raises(BackupError, match="damaged"):
            restoring.restore_backup(repository, force=True)
        assert get_restore_mark().exists() is (is_changed is True)
    get_restore_mark().unlink()
    assert (folders / "models_dir" / "m1" / "weights.npy").stat().st_size == 100_000

    path.write_bytes(content)

    def end(root: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "swap_files", end)
    with pytest.raises(KeyboardInterrupt):
        restoring.restore_backup(repository, force=True)
    assert has_restore_changed()


@pytest.mark.django_db(transaction=True)
def test_a_failed_restore_leaves_no_copies_of_files(
    folders: Path, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = BackupRepository.create(tmp_path / "backups")
    creation.create_backup(repository, at=NOW)
    before = sorted(folders.rglob("*"))
    monkeypatch.setattr(database_dump, "build_address", lambda: empty_database)
    files = repository.load_manifest(repository.list_backups()[-1])["files"]
    part = next(file["parts"][0] for file in files["models"])
    (tmp_path / "backups" / "parts" / part[:2] / part).unlink()
    with pytest.raises(BackupError):
        restoring.restore_backup(repository, force=True)
    assert sorted(folders.rglob("*")) == before


@pytest.mark.django_db(transaction=True)
def test_a_backup_before_the_migrations_names_the_fix(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_missing_table() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM missing_table")

    monkeypatch.setattr(creation, "copy_active_artifacts", read_missing_table)
    with pytest.raises(CommandError, match=r"manage\.py migrate"):
        call_command("backup", str(tmp_path / "backups"))


@pytest.mark.django_db(transaction=True)
def test_the_command_names_the_units_of_its_progress_and_what_it_added(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: dict[str, list[int]] = {}

    def record(label: str) -> Progress:
        return lambda done, total: progress.setdefault(label, []).append(total)

    monkeypatch.setattr("config.backup.management.commands.backup.ProgressBar", record)
    out = io.StringIO()
    call_command("backup", str(tmp_path / "backups"), stdout=out)
    assert progress["Bytes of files"][-1] == 104_000  # two files
    assert re.search(r"2 files, [\d.]+ MB, [\d.]+ s\. [\d.]+ MB were added to the folder: the parts", out.getvalue())


def test_an_inserted_row_changes_only_the_part_around_it() -> None:
    rows = [b"%d\tcustomer %d\t%s\n" % (number, number, b"x" * 400) for number in range(20_000)]
    before = set(cut_parts(rows))
    after = set(cut_parts([*rows[:5_000], b"new\trow\n", *rows[5_000:]]))
    assert len(before) > 3
    assert len(after - before) <= 2


def test_a_damaged_part_a_wrong_passphrase_and_a_foreign_folder_are_reported(tmp_path: Path) -> None:
    repository = BackupRepository.create(tmp_path / "backups", passphrase="correct horse")
    name = repository.store(b"personal data" * 100)
    assert b"personal" not in (tmp_path / "backups" / "parts" / name[:2] / name).read_bytes()
    path = tmp_path / "backups" / "parts" / name[:2] / name
    stored = path.read_bytes()
    path.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(BackupError, match="damaged"):
        repository.load(name)
    with pytest.raises(BackupError, match="does not match the backups"):
        BackupRepository(tmp_path / "backups", passphrase="guess")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(BackupError, match="not empty"):
        BackupRepository.create(tmp_path / "photos")
    with pytest.raises(BackupError, match="at least 12 characters"):
        BackupRepository.create(tmp_path / "more", passphrase="secret")
    assert not (tmp_path / "more").exists()
    with pytest.raises(CommandError, match="has no backups"):
        call_command("restore", str(tmp_path / "photos"))


def test_a_backup_without_space_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = BackupRepository.create(tmp_path / "backups")
    monkeypatch.setattr(BackupRepository, "measure_free_bytes", lambda self: 1_000_000)
    with pytest.raises(BackupError, match="Free some space"):
        creation.require_space(repository, earlier=None, database={"bytes": 10_000_000}, files=[])


def test_a_file_that_grows_during_the_backup_is_stored_as_it_was(folders: Path, tmp_path: Path) -> None:
    path = folders / "exports_dir" / "growing.csv"
    path.write_bytes(b"one\n")
    repository = BackupRepository.create(tmp_path / "backups")
    with file_dump.stage_folder() as staging:
        staged = [file for file in file_dump.stage_files(staging) if file.path == "growing.csv"]
        with path.open("ab") as file:
            file.write(b"two\n")
        parts = file_dump.store_file(staged[0].copy, staged[0].size, repository)
    assert parts is not None
    assert repository.load(parts[0]) == b"one\n"


@pytest.mark.django_db(transaction=True)
def test_a_second_backup_does_not_start_during_the_first_also_in_another_folder(folders: Path, tmp_path: Path) -> None:
    first, second = (BackupRepository.create(tmp_path / name) for name in ("first", "second"))
    left = folders / "tmp" / "backup-killed"
    left.mkdir(parents=True)

    def start_second() -> None:
        with pytest.raises(BackupError, match="Another backup is being made"):
            creation.create_backup(second, at=NOW)

    result = creation.create_backup(first, at=NOW, after_snapshot=start_second)
    assert (result.files, verify_backup(first).files) == (2, 2)
    assert second.list_backups() == []
    assert creation.create_backup(second, at=NOW).files == 2
    assert not left.exists()
    names = [f"var/{path.relative_to(folders).as_posix()}" for path in (folders / "tmp").iterdir()]
    assert len(names) == 1  # the lock
    assert list_unknown_names(LocationKind.FILE, names) == []


def test_a_staged_file_that_is_gone_is_an_error(folders: Path, tmp_path: Path) -> None:
    repository = BackupRepository.create(tmp_path / "backups")
    with file_dump.stage_folder() as staging:
        staged = file_dump.stage_files(staging)
        assert len(staged) == 2
        staged[1].copy.unlink()
        with pytest.raises(BackupError, match="No backup was created"):
            file_dump.store_files(staged, repository, earlier={}, progress=ignore_progress)


def test_files_are_swapped_also_after_an_attempt_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_files(folder: Path, text: str) -> None:
        for name in ("events", "orders"):
            (folder / name).mkdir(parents=True)
            (folder / name / "part").write_text(text)

    rename, left = Path.rename, [3]

    def rename_until_killed(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(self, target)

    write_files(tmp_path, "before")
    write_files(tmp_path / restoring.RESTORING, "restored")
    with monkeypatch.context() as context:
        context.setattr(Path, "rename", rename_until_killed)
        with pytest.raises(KeyboardInterrupt):
            restoring.swap_files(tmp_path)
    shutil.rmtree(tmp_path / restoring.RESTORING)  # as the next attempt does before it writes the files again
    write_files(tmp_path / restoring.RESTORING, "restored")
    restoring.swap_files(tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"events/part": "restored", "orders/part": "restored"}


def test_the_ledger_of_erasures_returns_those_since_a_backup(folders: Path, tmp_path: Path) -> None:
    record_erasure(at=NOW - timedelta(days=2), customer_ids=[1], hashes=["a"])
    record_erasure(at=NOW, customer_ids=[3, 2], hashes=["b"])
    record_erasure(at=NOW, customer_ids=[3, 2], hashes=["b"])
    with get_local_ledger().open("a") as file:
        file.write(json.dumps({"at": NOW.isoformat()})[:12])  # killed while writing
    [entry] = read_erasures([get_local_ledger(), tmp_path / "missing"], since=NOW - timedelta(days=1))
    assert entry.customer_ids == (2, 3)
    record_erasure(at=NOW, customer_ids=[4], hashes=["c"])
    entries = read_erasures([get_local_ledger()], since=NOW - timedelta(days=1))
    assert [entry.customer_ids for entry in entries] == [(2, 3), (4,)]


@pytest.mark.django_db(transaction=True)
def test_an_erasure_is_recorded_in_every_folder_with_backups_or_the_folder_is_named(
    folders: Path, tmp_path: Path
) -> None:
    for name in ("disk", "share"):
        call_command("backup", str(tmp_path / name), stdout=io.StringIO())
    call_command("backup", str(tmp_path / "disk"), stdout=io.StringIO())  # listed once
    assert list_backup_folders() == [tmp_path / "disk", tmp_path / "share"]
    names = [f"var/{get_folder_list().relative_to(folders)}"]
    assert list_unknown_names(LocationKind.FILE, names) == []

    (tmp_path / "share").rename(tmp_path / "unmounted")
    warning = note_erasure(customer_ids=[1], hashes=["h"], at=NOW, signal=None)
    assert f"in {tmp_path / 'share'} cannot be reached" in warning
    assert str(tmp_path / "disk") not in warning
    assert read_lines(tmp_path / "disk" / "erasures.jsonl") == read_lines(get_local_ledger())
    assert not (tmp_path / "share").exists()  # nothing was written to the mount point
    assert find_incomplete_ledgers() == [tmp_path / "share"]

    (tmp_path / "unmounted").rename(tmp_path / "share")
    assert find_incomplete_ledgers() == [tmp_path / "share"]
    back_up()
    assert find_incomplete_ledgers() == []
    assert read_lines(tmp_path / "share" / "erasures.jsonl") == read_lines(get_local_ledger())

    shutil.rmtree(tmp_path / "share")
    call_command("backup", str(tmp_path / "share"), "--forget", stdout=io.StringIO())
    assert list_backup_folders() == [tmp_path / "disk"]
    assert copy_ledger_everywhere() == []
    with pytest.raises(CommandError, match="No backup of this installation"):
        call_command("backup", str(tmp_path / "share"), "--forget")


def test_a_folder_that_cannot_be_written_is_reported_and_does_not_hold_up_the_erasure(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BackupRepository.create(tmp_path / "backups")
    remember_folder(tmp_path / "backups", at=NOW)

    def fail(folder: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as context:
        context.setattr("config.backup.erasure_ledger.copy_ledger", fail)
        assert record_erasure(at=NOW, customer_ids=[1], hashes=["h"]) == [tmp_path / "backups"]
    assert record_erasure(at=NOW, customer_ids=[2], hashes=["i"]) == []
    assert len(read_lines(tmp_path / "backups" / "erasures.jsonl")) == 2


@pytest.mark.django_db(transaction=True)
def test_a_customer_who_was_erased_is_not_brought_back_by_a_backup_restored_elsewhere(
    folders: Path, tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.BACKUP_DIR = ""  # type: ignore[attr-defined]
    customer = make_customer()
    repository = BackupRepository.create(tmp_path / "backups")
    creation.create_backup(repository, at=NOW)
    note_erasure(customer_ids=[customer.pk], hashes=["h"], at=NOW + timedelta(hours=1), signal=None)
    monkeypatch.setattr(database_dump, "build_address", lambda: empty_database)
    assert restoring.restore_backup(repository, force=True, dry_run=True).warnings == []

    for path in (get_local_ledger(), get_folder_list()):
        path.unlink()  # the disk with var/ is lost
    [missing, unlisted] = restoring.restore_backup(repository, force=True, dry_run=True).warnings
    assert "1 since the backup, the latest of 2026-11-01T13:00:00+00:00" in missing
    assert str(tmp_path / "backups") in unlisted
    erased: list[int] = []
    monkeypatch.setattr(restoring, "restore_keys", lambda repository, parts: 0)
    monkeypatch.setattr(
        restoring,
        "erase_again",
        lambda entries: erased.extend(number for entry in entries for number in entry.customer_ids),
    )
    restoring.restore_backup(repository, force=True)
    assert erased == [customer.pk]
    # it was restored by an installation that made backups in the folder later only
    remember_folder(tmp_path / "backups", at=NOW + timedelta(hours=2))
    [missing] = restoring.restore_backup(repository, force=True, dry_run=True).warnings
    assert "may be missing" in missing


@pytest.mark.django_db
def test_a_missing_backup_is_a_problem_unless_the_first_one_is_not_due_yet(settings: object, tmp_path: Path) -> None:
    settings.BACKUP_DIR = str(tmp_path / "backups")  # type: ignore[attr-defined]
    settings.VAR_DIR = tmp_path  # type: ignore[attr-defined]
    sync_schedule()
    jobs = PeriodicTask.objects.filter(task="config.backup.tasks.back_up")
    jobs.update(enabled=False)
    assert "no backup" in read_backup_status(now=NOW).problem  # no job would make one
    jobs.update(enabled=True)
    assert read_backup_status(now=NOW) == BackupStatus(is_configured=True)
    run = ScheduledRun.objects.create(task="config.backup.tasks.back_up", status="failed", started_at=NOW)
    assert "no backup" in read_backup_status(now=NOW).problem
    run.delete()
    remember_folder(tmp_path / "backups", at=NOW)  # it had a backup: its disk is not mounted
    assert "no backup" in read_backup_status(now=NOW).problem


def test_an_old_last_backup_is_a_problem(settings: object, tmp_path: Path) -> None:
    settings.BACKUP_DIR = ""  # type: ignore[attr-defined]
    assert not read_backup_status(now=NOW).is_configured
    settings.BACKUP_DIR = str(tmp_path / "backups")  # type: ignore[attr-defined]
    repository = BackupRepository.create(tmp_path / "backups")
    repository.save_manifest({"name": NOW.strftime("%Y%m%dT%H%M%SZ")})
    assert read_backup_status(now=NOW + timedelta(hours=1)).problem == ""
    assert "48 hours old" in read_backup_status(now=NOW + timedelta(hours=48)).problem


@pytest.mark.django_db
def test_the_tables_of_a_backup_are_those_of_the_models() -> None:
    with connection.cursor() as cursor:
        cursor.execute(database_dump.LIST_TABLES)
        names = {name for name, _columns in cursor.fetchall()}
    assert {"identity_customer", "orders_orderline", "django_migrations"} <= names


def test_after_the_clock_was_set_back_a_new_backup_is_still_the_newest() -> None:
    assert creation.choose_name([], NOW) == "20261101T120000Z"
    names = ["20261101T120000Z"]
    for hours in (1, 2):
        names.append(creation.choose_name(names, NOW - timedelta(hours=hours)))
    assert names == sorted(set(names))


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_fills_up_leaves_no_backup_that_looks_complete(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = BackupRepository.create(tmp_path / "backups")
    store, left = BackupRepository.store, [4]

    def store_until_full(self: BackupRepository, content: bytes) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return store(self, content)

    monkeypatch.setattr(BackupRepository, "store", store_until_full)
    with pytest.raises(BackupError, match=r"No space left on device\. No backup was created"):
        creation.create_backup(repository, at=NOW)
    assert repository.list_backups() == []
    left[0] = 10**6  # there is space again: what is stored is used
    assert creation.create_backup(repository, at=NOW).name == "20261101T120000Z"
    assert verify_backup(repository).problems == []


@pytest.mark.django_db(transaction=True)
def test_a_database_that_ends_meanwhile_is_named_without_a_traceback(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*arguments: object) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably means …")

    repository = BackupRepository.create(tmp_path / "backups")
    monkeypatch.setattr(database_dump, "dump_tables", end)
    with pytest.raises(
        BackupError, match=r"did not respond .*\(server closed the connection unexpectedly\)\. No backup"
    ):
        creation.create_backup(repository, at=NOW)
    assert repository.list_backups() == []


@pytest.mark.django_db(transaction=True)
def test_parts_that_a_power_failure_damaged_are_stored_again(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_customer()
    repository = BackupRepository.create(tmp_path / "backups")

    def lose_power(self: BackupRepository, manifest: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(BackupRepository, "save_manifest", lose_power)
        with pytest.raises(KeyboardInterrupt):
            creation.create_backup(repository, at=NOW)
    parts = sorted(path for path in (tmp_path / "backups" / "parts").glob("*/*"))
    largest = max(parts, key=lambda path: path.stat().st_size)
    for path in parts:
        path.write_bytes(b"" if path != largest else path.read_bytes()[:-10] + bytes(10))
    repository = BackupRepository(tmp_path / "backups")
    creation.create_backup(repository, at=NOW)
    assert verify_backup(repository).problems == []

    # a part of a complete backup that is empty, of a version that did not check
    parts[0].write_bytes(b"")
    repository = BackupRepository(tmp_path / "backups")
    creation.create_backup(repository, at=NOW + timedelta(hours=1))
    assert verify_backup(repository).problems == []


@pytest.mark.django_db(transaction=True)
def test_who_is_erased_after_a_backup_is_erased_again_after_its_restore(folders: Path, tmp_path: Path) -> None:
    erased, other = make_customer(), make_customer()
    note_erasure(customer_ids=[erased.pk, 10**9], hashes=["h"], at=NOW, signal=None)  # as the signal of an erasure does
    assert erase_again(read_erasures([get_local_ledger()], since=NOW - timedelta(hours=1))) == 1
    # repeated, nobody is left
    assert erase_again(read_erasures([get_local_ledger()], since=NOW - timedelta(hours=1))) == 0
    assert not Customer.objects.filter(pk=erased.pk, erased_at=None).exists()
    assert Customer.objects.filter(pk=other.pk, erased_at=None).exists()
    assert erase_again(read_erasures([get_local_ledger()], since=NOW + timedelta(hours=1))) == 0
