"""The audit log can only grow, and a change made behind its back is found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, ProgrammingError, connection, transaction

from config.access.audit import seals
from config.access.audit.seals import AuditReport, seal_entries, verify_entries
from config.access.models import AuditSeal, UnsealedEntry
from config.foundation.audit_log import Actor, record_action

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_entry(event: str = "two_factor.reset") -> LogEntry:
    record_action(event, model=User)
    return LogEntry.objects.latest("pk")


def verify(known_seal: str = "") -> AuditReport:
    return verify_entries(now=datetime.now(UTC), known_seal=known_seal)


def execute(sql: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


@contextmanager
def triggers_off() -> Iterator[None]:
    """Do what only the owner of the tables can do."""
    for table in ("auditlog_logentry", "access_auditseal"):
        execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    for table in ("auditlog_logentry", "access_auditseal"):
        execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    "change",
    [
        lambda: LogEntry.objects.update(object_repr="nothing"),
        lambda: LogEntry.objects.all().delete(),
        lambda: LogEntry.objects.all()._raw_delete("default"),
        lambda: LogEntry.objects.latest("pk").save(),
        lambda: AuditSeal.objects.update(created_at=NOW),
        lambda: AuditSeal.objects.all().delete(),
        lambda: execute("SET LOCAL session_replication_role = replica; DELETE FROM auditlog_logentry"),
    ],
)
def test_entries_and_seals_cannot_be_changed_or_deleted(change: Callable[[], object]) -> None:
    entry = make_entry()
    seal_entries(now=NOW)
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        change()
    entry.refresh_from_db()
    assert entry.additional_data["event"] == "two_factor.reset"


@pytest.mark.parametrize("table", ["auditlog_logentry", "access_auditseal"])
def test_the_log_cannot_be_truncated(table: str) -> None:
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        # tests that commit need to truncate, so the session's database has this trigger disabled
        execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_log_no_truncate; TRUNCATE {table} CASCADE")


def test_a_user_in_the_log_can_be_deactivated_but_not_deleted() -> None:
    user = User.objects.create_user("ada")
    record_action("token_key.shown", model=User, actor=Actor(kind="user", name="ada", id=user.pk))
    user.is_active = False
    user.save()
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        user.delete()
    User.objects.create_user("bea").delete()


def test_an_untouched_log_is_intact() -> None:
    make_entry()
    assert seal_entries(now=NOW) == LogEntry.objects.count()
    make_entry()
    report = verify()
    assert report.is_intact
    assert (report.seals, report.unsealed) == (1, 1)
    assert seal_entries(now=NOW) == 1
    assert (verify().seals, UnsealedEntry.objects.count()) == (2, 0)


def test_an_edited_a_removed_and_an_inserted_entry_are_found() -> None:
    edited, removed, _kept = make_entry(), make_entry(), make_entry()
    seal_entries(now=NOW)
    with triggers_off():
        LogEntry.objects.filter(pk=edited.pk).update(timestamp=NOW)
        LogEntry.objects.filter(pk=removed.pk)._raw_delete("default")
        inserted = make_entry()
    report = verify()
    assert (report.edited, report.removed, report.inserted) == ([edited.pk], [removed.pk], [inserted.pk])


def test_an_entry_removed_before_it_was_sealed_is_found() -> None:
    removed = make_entry()
    with triggers_off():
        LogEntry.objects.filter(pk=removed.pk)._raw_delete("default")
    seal_entries(now=NOW)
    assert verify().removed == [removed.pk]


def test_seals_made_without_the_key_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = make_entry()
    seal_entries(now=NOW)
    with triggers_off(), monkeypatch.context() as patch:
        LogEntry.objects.filter(pk=entry.pk).update(object_repr="nothing")
        AuditSeal.objects.all()._raw_delete("default")
        UnsealedEntry.objects.bulk_create(
            [UnsealedEntry(entry_id=pk) for pk in LogEntry.objects.values_list("pk", flat=True)]
        )
        patch.setattr(seals, "list_seal_keys", lambda: [b"guessed"])
        seal_entries(now=NOW)
    report = verify()
    assert report.broken_seals == [1]
    assert entry.pk in report.edited


def test_a_missing_seal_is_found_in_the_middle_and_with_a_noted_seal_at_the_end() -> None:
    for _number in range(3):
        make_entry()
        seal_entries(now=NOW)
    noted = verify().head
    assert verify(noted).is_intact
    with triggers_off():
        AuditSeal.objects.filter(number=2)._raw_delete("default")
    assert 2 in verify().broken_seals
    with triggers_off():
        AuditSeal.objects.filter(number=3)._raw_delete("default")
    assert 3 in verify(noted).broken_seals


def test_old_entries_are_purged_with_a_record_and_new_ones_are_not() -> None:
    old = make_entry()
    seal_entries(now=datetime.now(UTC) - timedelta(days=800))
    new = make_entry()
    seal_entries(now=datetime.now(UTC))
    call_command("purge_audit_log", older_than=730, stdout=StringIO())
    assert not LogEntry.objects.filter(pk=old.pk).exists()
    assert LogEntry.objects.filter(pk=new.pk).exists()
    record = LogEntry.objects.latest("pk").additional_data
    assert record["event"] == "audit_log.purged"
    assert record["details"] == {"until_seal": 1, "count": verify().purged}
    assert record["actor"]["kind"] == "command"
    seal_entries(now=datetime.now(UTC))
    assert verify().is_intact


def test_the_last_thirty_days_cannot_be_purged() -> None:
    make_entry()
    seal_entries(now=datetime.now(UTC) - timedelta(days=10))
    with pytest.raises(CommandError, match="at least 30"):
        call_command("purge_audit_log", older_than=5)
    with pytest.raises(DatabaseError, match="last 30 days"), transaction.atomic():
        execute("SELECT purge_audit_log(1, '{}')")


def test_a_false_record_of_a_purge_does_not_hide_a_removed_entry() -> None:
    removed = make_entry()
    seal_entries(now=datetime.now(UTC))
    with triggers_off():
        LogEntry.objects.filter(pk=removed.pk)._raw_delete("default")
    record_action("audit_log.purged", model=LogEntry, details={"until_seal": 1, "count": 1})
    assert verify().removed == [removed.pk]


def test_the_command_prints_the_newest_seal_and_fails_when_something_was_changed() -> None:
    entry = make_entry()
    output = StringIO()
    call_command("verify_audit_log", stdout=output)
    assert "The audit log is intact." in output.getvalue()
    head = output.getvalue().split("newest seal ")[1].split()[0]
    call_command("verify_audit_log", seal=head, stdout=StringIO())
    with triggers_off():
        LogEntry.objects.filter(pk=entry.pk).update(object_repr="nothing")
    with pytest.raises(CommandError, match=f"edited: 1 \\(#{entry.pk}\\)"):
        call_command("verify_audit_log", stdout=StringIO())
