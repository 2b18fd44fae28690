"""The doctor: every check runs, names a fix for each problem, in both languages and as JSON."""

import errno
import json
import os
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from config.backup.erasure_ledger import remember_folder
from config.foundation.keys.key_ids import make_field_key
from config.jobs.models import ScheduledRun
from config.monitoring import server_state
from config.monitoring.doctor import data_checks, database_checks, machine_checks, network_checks, process_checks
from config.monitoring.doctor.base import DoctorCheck, Verdict, list_checks
from config.monitoring.doctor.running import run_safely
from config.monitoring.models import Alarm, MonitoringState
from config.monitoring.server_state import DatabaseState, DiskState
from config.schedule import sync_schedule
from config.supervisor.worker_lock import LOCK, lock_workers
from customers.identity.personal_data.hashing import hash_email
from tests.config.access.passwords.mail_server import MailServer
from tests.makers import make_customer, make_identifier

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_wait_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only a moment for the answers of workers, since none runs: each question would take two seconds."""
    monkeypatch.setattr(process_checks, "ANSWER_SECONDS", 0.05)


def examine(*options: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    output = StringIO()
    try:
        call_command("doctor", *options, stdout=output, no_color=True)
    except SystemExit as exit_:
        return int(exit_.code or 0), output.getvalue()
    return 0, output.getvalue()


def test_it_checks_everything_and_names_the_fix_of_each_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    # the other tests at this moment have connections and transactions on the same server
    state = replace(server_state.read_database_state(), connections=1, longest_transaction=0.0)
    monkeypatch.setattr(database_checks, "read_database_state", lambda: state)
    code, text = examine("--json", "--quick")
    report = json.loads(text)
    assert {check["check"] for check in report["checks"]} == {check.key for check in list_checks()}
    assert len(report["checks"]) >= 25
    for check in report["checks"]:
        assert bool(check["fix"]) is (check["verdict"] in ("warning", "error")), check
    by_key = {check["check"]: check["verdict"] for check in report["checks"]}
    assert (by_key["postgres"], by_key["migrations"], by_key["packages"], by_key["mail"]) == (
        "ok",
        "ok",
        "ok",
        "skipped",
    )
    assert by_key["worker"] == "error"  # nothing runs here
    assert (code, report["status"]) == (2, "error")


def test_it_speaks_chinese() -> None:
    _code, text = examine("--quick", "--language", "zh-hans")
    assert "✗ 工作进程与调度器：工作进程和调度器从未运行" in text
    assert "→ 请用 manage.py up 启动" in text


def find(check: Any) -> list[tuple[str, str]]:
    return [(str(row.verdict), row.text) for row in check() if row.verdict in (Verdict.WARNING, Verdict.ERROR)]


def test_a_database_of_a_newer_version_is_found() -> None:
    assert [(row.verdict, row.text) for row in database_checks.check_migrations()] == [(Verdict.OK, "all are applied")]
    MigrationRecorder(connection).record_applied("policy", "9001_of_a_newer_version")
    assert [(row.verdict, row.text, row.fix) for row in database_checks.check_migrations()] == [
        (
            Verdict.WARNING,
            "a newer version of Perennial has migrated the database: it has policy.9001_of_a_newer_version",
            "Install that version, or restore the backup from before the upgrade.",
        )
    ]


def test_problems_of_the_machine_are_found(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = settings.MODELS_DIR = settings.EXPORTS_DIR = tmp_path
    secret = tmp_path / "secrets" / "field-keys"
    secret.parent.mkdir(mode=0o700)
    secret.touch(mode=0o644)
    secret.chmod(0o644)
    settings.FIELD_KEYS, settings.SECRET_KEY, settings.DEBUG = ["a", "b"], "short", True
    settings.CARD_FONT, settings.STATIC_ROOT = "/nowhere.ttf", tmp_path / "static"
    monkeypatch.setattr(machine_checks, "list_disks", lambda: [DiskState("/data", 5, 100)])
    assert len(find(machine_checks.check_disk)) == 1
    assert [text for _verdict, text in find(machine_checks.check_permissions)] == [f"other users can read {secret}"]
    assert [verdict for verdict, _text in find(machine_checks.check_secrets)] == ["error", "warning"]
    assert ("error", "DEBUG is on: errors show the source and the settings") in find(machine_checks.check_settings)
    assert [verdict for verdict, _text in find(machine_checks.check_fonts)] == ["error"]
    assert [verdict for verdict, _text in find(machine_checks.check_static_files)] == ["warning"]


def fail_to_create_files(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the creation of files in a folder fail, as for an ordinary user; the tests may run as root."""
    touch = Path.touch

    def fail(path: Path, *arguments: Any) -> None:
        if path.parent == folder:
            raise OSError(number, os.strerror(number))
        touch(path, *arguments)

    monkeypatch.setattr(Path, "touch", fail)


@pytest.mark.parametrize("name", ["models", "exports", "merchandising", "media", "warehouse", "backups"])
@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EACCES, "chown -R USER {path}"),
        (errno.EROFS, "mount -o remount,rw"),
        (errno.ENOSPC, "Delete old backups and exports"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_with_the_fix_of_its_cause(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, fix: str
) -> None:
    settings.VAR_DIR = tmp_path
    for variable in ("MODELS_DIR", "EXPORTS_DIR", "MERCHANDISING_DIR"):
        setattr(settings, variable, tmp_path / variable.removesuffix("_DIR").lower())
    settings.MEDIA_ROOT, settings.WAREHOUSE_URL = tmp_path / "media", str(tmp_path / "warehouse")
    settings.BACKUP_DIR = str(tmp_path / "backups")
    for folder in machine_checks.list_written_folders():
        folder.mkdir()
    assert [result.verdict for result in machine_checks.check_permissions()] == ["ok"]
    path = tmp_path / name
    fail_to_create_files(path, number, monkeypatch)
    problem = next(iter(machine_checks.check_permissions()))
    assert problem.text == f"{path} cannot be written"
    assert fix.format(path=path) in problem.fix


def test_a_folder_below_that_another_user_owns_is_named(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR, settings.MODELS_DIR = tmp_path, tmp_path / "models"
    model = settings.MODELS_DIR / "for-you" / "7"
    model.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != model)  # the tests may run as root
    problem = next(iter(machine_checks.check_permissions()))
    assert (problem.text, problem.fix.endswith(f"chown -R USER {model}")) == (f"{model} cannot be written", True)


def test_disks_of_the_warehouse_and_of_backups_are_checked(settings: Any, tmp_path: Any) -> None:
    settings.WAREHOUSE_URL, settings.BACKUP_DIR = str(tmp_path / "warehouse" / "new"), str(tmp_path / "backups")
    assert server_state.list_data_folders()[-2:] == [tmp_path / "warehouse" / "new", tmp_path / "backups"]
    settings.VAR_DIR = settings.MODELS_DIR = settings.EXPORTS_DIR = tmp_path / "not" / "there"
    assert [disk.path for disk in server_state.list_disks()] == [str(tmp_path)]  # one file system
    settings.WAREHOUSE_URL, settings.BACKUP_DIR = "s3://bucket", ""
    assert server_state.list_data_folders() == [tmp_path / "not" / "there"] * 3


def test_the_file_store_is_written_and_read(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR, settings.EXPORTS_DIR = tmp_path / "var", tmp_path / "shared" / "exports"
    settings.WAREHOUSE_URL, settings.FILE_STORE = str(tmp_path / "shared" / "warehouse"), str(tmp_path / "store")
    assert find(machine_checks.check_file_store) == []
    assert list((tmp_path / "store").iterdir()) == []
    (tmp_path / "file").touch()
    settings.FILE_STORE = str(tmp_path / "file" / "store")  # no folder can be made there
    assert [verdict for verdict, _text in find(machine_checks.check_file_store)] == ["error"]
    (tmp_path / "var").mkdir()
    monkeypatch.chdir(tmp_path / "var")
    settings.FILE_STORE, settings.WAREHOUSE_URL = str(tmp_path / "store"), "warehouse"
    [(verdict, text)] = find(machine_checks.check_file_store)
    assert (verdict, text[:16]) == ("error", "WAREHOUSE_URL is")


@pytest.mark.parametrize("last_check", [None, timedelta(hours=1)])
def test_workers_that_were_just_started_are_waiting_for_the_first_check(
    settings: Any, tmp_path: Path, last_check: timedelta | None
) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "run").mkdir()
    if last_check is not None:
        MonitoringState.objects.create(pk=1, checked_at=timezone.now() - last_check)
    [(verdict, text)] = find(process_checks.check_worker)
    assert (verdict, "started" in text) == ("error", False)
    lock = lock_workers(tmp_path)
    try:
        [(verdict, text)] = find(process_checks.check_worker)
        assert verdict == "warning"
        assert "waiting for the first check of the alarms" in text
        hours_ago = (timezone.now() - timedelta(hours=3)).timestamp()
        os.utime(tmp_path / LOCK, (hours_ago, hours_ago))
        [(verdict, text)] = find(process_checks.check_worker)
        assert (verdict, text) == (
            "error",
            "started 3 hours ago, but the alarms have not been checked for more than five minutes",
        )
    finally:
        os.close(lock)
    [(verdict, text)] = find(process_checks.check_worker)
    assert (verdict, "started" in text) == ("error", False)


def test_workers_are_asked_again_after_a_lost_connection(settings: Any, tmp_path: Path, valkey: redis.Redis) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "run").mkdir()
    number = valkey.get_connection_kwargs()["db"]  # other tests use the server, too

    def find_errors() -> list[tuple[str, str]]:
        return find(process_checks.check_worker)

    expected = [("error", "worker and scheduler have never run")]
    assert find_errors() == expected
    for connection_ in valkey.client_list():
        if connection_["db"] == str(number) and connection_["id"] != str(valkey.client_id()):
            valkey.client_kill_filter(_id=connection_["id"])
    assert find_errors() == expected
    assert find_errors() == expected


def test_problems_of_processes_and_data_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sync_schedule()
    now = timezone.now()
    MonitoringState.objects.create(pk=1, checked_at=now - timedelta(hours=1))
    task = "customers.lifecycle.tasks.refresh_profiles"
    ScheduledRun.objects.create(task=task, status="failed", error_type="MemoryError", started_at=now)
    Alarm.objects.create(rule="event_lag", severity="critical", opened_at=now, seen_at=now)
    monkeypatch.setattr(process_checks, "run_pipeline", lambda fill: [1000, 0])
    monkeypatch.setattr(
        database_checks, "read_database_state", lambda: DatabaseState(1, 95, 100, 7200.0, 0.0, 0, is_standby=False)
    )
    assert len(find(process_checks.check_worker)) == 1
    MonitoringState.objects.update(checked_at=now + timedelta(days=1))
    [(_verdict, text)] = find(process_checks.check_worker)
    assert "the clock was ahead" in text
    assert find(process_checks.check_jobs) == [("warning", "the last run of “Refresh profiles” failed")]
    assert len(find(process_checks.check_queues)) == 1
    assert len(find(data_checks.check_alarms)) == 1
    assert len(find(database_checks.check_postgres)) == 2


def test_a_folder_of_backups_without_the_erasures_is_named(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR, settings.BACKUP_DIR = tmp_path, ""
    assert [row.text for row in data_checks.check_backup()] == ["no scheduled backup"]
    remember_folder(tmp_path / "unmounted", at=timezone.now())
    _scheduled, row = data_checks.check_backup()
    assert row.text.startswith(f"the backups in {tmp_path / 'unmounted'} cannot be reached")
    assert "--forget" in row.fix
    sync_schedule()
    settings.BACKUP_DIR = str(tmp_path / "new")
    assert next(data_checks.check_backup()).verdict == Verdict.WARNING  # the first backup is not due yet


def test_wrong_keys_are_found_by_decrypting(settings: Any) -> None:
    assert [row.verdict for row in data_checks.check_keys()] == [Verdict.SKIPPED]
    ann = make_customer(email="ann@shop.example")
    make_identifier(ann, hash_email("ann@shop.example"), kind="email_hash")
    assert [row.verdict for row in data_checks.check_keys()] == [Verdict.OK]
    hash_keys, settings.HASH_KEYS = settings.HASH_KEYS, ["mistyped on the second machine"]
    [(verdict, text)] = find(data_checks.check_keys)
    assert (verdict, text.startswith("customers cannot be found by their address")) == ("error", True)
    settings.HASH_KEYS = hash_keys
    settings.FIELD_KEYS = [make_field_key()]
    assert find(data_checks.check_keys) == [("error", "stored addresses cannot be read with the present keys")]
    make_customer(email="bob@shop.example")  # a value under the new key does not hide the older ones
    assert len(find(data_checks.check_keys)) == 1


def test_the_proxy_and_the_mail_server_are_checked(settings: Any, mail_server: MailServer) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://perennial.example", ["localhost"]
    assert [verdict for verdict, _text in find(network_checks.check_proxy)] == [
        "error",
        "error",
        "warning",
        "warning",
        "error",
    ]
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, ("HTTP_X_FORWARDED_PROTO", "https")
    settings.TRUSTED_PROXY_COUNT, settings.METRICS_TOKEN = 1, "token"
    settings.ALLOWED_HOSTS = ["perennial.example"]
    assert find(network_checks.check_proxy) == []
    assert find(network_checks.check_mail) == []
    settings.EMAIL_PORT = 1
    assert [verdict for verdict, _text in find(network_checks.check_mail)] == ["error"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    [(verdict, text)] = find(network_checks.check_mail)
    assert verdict == "warning"
    assert "newsletter confirmations" in text
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    assert [verdict for verdict, _text in find(network_checks.check_public_url)] == ["warning"]


def test_https_settings_are_reported_once_and_by_the_variables_of_an_operator(settings: Any) -> None:
    settings.PUBLIC_URL, settings.DEBUG = "https://perennial.example", False
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SECURE_HSTS_SECONDS = 0
    assert [text for _verdict, text in find(machine_checks.check_settings) if "security.W" in text] == []
    assert not any("HSTS" in text for _verdict, text in find(machine_checks.check_settings))
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    fixes = [row.fix for row in machine_checks.check_settings()]
    assert "Set HSTS_SECONDS, for example to 31536000." in fixes


def test_a_certificate_without_a_server_names_the_proxy(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(network_checks, "find_certificate_end", refuse)
    [result] = network_checks.check_certificate()
    assert (result.verdict, result.fix.split(",")[0]) == (Verdict.ERROR, "Start the proxy that answers HTTPS")


def test_only_the_server_that_is_down_is_named() -> None:
    def fail_at_valkey() -> Any:
        raise redis.ConnectionError("connection refused")
        yield

    [result] = run_safely(DoctorCheck("x", "X", fail_at_valkey))
    assert result.fix == "Start Valkey, or correct VALKEY_URL."


def test_a_server_that_is_down_is_a_result_and_no_traceback() -> None:
    def fail() -> Any:
        raise OperationalError("connection refused\nmore")
        yield

    [result] = run_safely(DoctorCheck("x", "X", fail))
    assert (result.verdict, result.text) == (Verdict.ERROR, "could not be checked: connection refused")


def test_a_table_that_does_not_exist_is_created_by_the_migrations() -> None:
    def read_missing_table() -> Any:
        with transaction.atomic():
            yield from database_checks.select_rows("SELECT 1 FROM missing_table")

    [result] = run_safely(DoctorCheck("x", "X", read_missing_table))
    assert (result.text, result.fix) == (
        'could not be checked: relation "missing_table" does not exist',
        "manage.py migrate",
    )
