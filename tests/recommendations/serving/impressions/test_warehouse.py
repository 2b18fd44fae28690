"""Impressions are exported by day, and a day is written again only after a change."""

from datetime import timedelta
from pathlib import Path

import pytest

from customers.warehouse.connection import open_warehouse
from customers.warehouse.export import export_table
from recommendations.serving.impressions.merge_receivers import anonymize_impressions
from recommendations.serving.impressions.store import insert_entries
from tests.makers import NOON, make_customer
from tests.recommendations.serving.impressions.entries import make_entry

pytestmark = pytest.mark.django_db


def read_exported() -> list[dict]:
    with open_warehouse() as tables:
        return tables["impressions"].order_by("recommendation_id").to_pyarrow().to_pylist()


def test_only_changed_days_are_exported_again(folders: Path) -> None:
    ada = make_customer("ada")
    yesterday = NOON - timedelta(days=1)
    insert_entries(
        [
            make_entry("r1", products=["a", "b"], user_id="ada", first_rank=11, served_at=yesterday),
            make_entry("r2", arm="new"),
        ]
    )
    first = export_table(table="impressions", started_at=NOON)
    assert (first.rows_written, first.parts_written) == (2, 2)
    before, after = read_exported()
    assert (before["customer_id"], before["user_id"], before["product_ids"]) == (ada.pk, "ada", ["a", "b"])
    assert (before["first_rank"], before["served_at"], before["arm"]) == (11, yesterday, None)
    assert (after["customer_id"], after["user_id"], after["arm"]) == (None, None, "new")
    insert_entries([make_entry("r3")])
    again = export_table(table="impressions", started_at=NOON)
    assert (again.rows_written, again.parts_written) == (2, 1)


def test_an_erasure_rewrites_the_day_without_the_customer(folders: Path) -> None:
    ada = make_customer("ada")
    insert_entries([make_entry("r1", user_id="ada")])
    export_table(table="impressions", started_at=NOON)
    anonymize_impressions(customer_id=ada.pk, at=NOON)
    assert export_table(table="impressions", started_at=NOON).parts_written == 1
    assert [(row["customer_id"], row["user_id"]) for row in read_exported()] == [(None, None)]
