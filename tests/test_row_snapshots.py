"""A snapshot has the rows that were made for it, and no others."""

from pathlib import Path

import pytest
from auditlog.models import LogEntry
from axes.models import AccessLog
from django.contrib.auth import get_user_model

from customers.identity.models import Customer, Identifier
from tests.makers import make_customer
from tests.row_snapshots import make_snapshot, restore_snapshot


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_has_the_new_rows_only(tmp_path: Path) -> None:
    AccessLog.objects.create(username="committed before")  # by a transaction of the last second
    earlier = make_customer("earlier")

    def make(files: Path) -> None:
        make_customer("anna")
        (files / "report.txt").write_text("1 customer", encoding="utf-8")

    make_snapshot(tmp_path / "shop", make)
    assert Customer.objects.get() == earlier
    restore_snapshot(tmp_path / "shop", tmp_path / "restored")
    assert AccessLog.objects.count() == 1
    assert set(Identifier.objects.values_list("value", flat=True)) == {"earlier", "anna"}
    assert make_customer("new").pk > Customer.objects.get(identifiers__value="anna").pk
    assert (tmp_path / "restored" / "report.txt").read_text(encoding="utf-8") == "1 customer"


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_does_not_collide_with_audit_entries_of_the_test(tmp_path: Path) -> None:
    entry_ids: list[int] = []

    def make(files: Path) -> None:
        get_user_model().objects.create_user("anna")
        entry_ids.append(LogEntry.objects.latest("pk").pk)

    make_snapshot(tmp_path / "shop", make)
    LogEntry.objects.bulk_create([LogEntry(pk=entry_ids[-1], content_type_id=1, object_pk="1", action=0)])
    restore_snapshot(tmp_path / "shop", tmp_path / "restored")
    assert get_user_model().objects.get().username == "anna"


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_may_not_change_earlier_rows(tmp_path: Path) -> None:
    customer = make_customer("anna")
    with pytest.raises(AssertionError, match="identity_customer"):
        make_snapshot(tmp_path / "shop", lambda files: Customer.objects.filter(pk=customer.pk).update(traits={"a": 1}))
