"""A snapshot has the rows that were made for it, and no others."""

from pathlib import Path

import pytest
from axes.models import AccessLog

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
def test_a_snapshot_may_not_change_earlier_rows(tmp_path: Path) -> None:
    customer = make_customer("anna")
    with pytest.raises(AssertionError, match="identity_customer"):
        make_snapshot(tmp_path / "shop", lambda files: Customer.objects.filter(pk=customer.pk).update(traits={"a": 1}))
