"""Reviews from files."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.feeds.feed_file import FeedError
from customers.feedback.models import Review
from customers.feedback.review_import import ReviewImportResult, import_reviews
from tests.makers import make_product

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
WAIMAI = Path(__file__).resolve().parents[4] / "shared" / "data" / "waimai_reviews" / "waimai_10k.csv"
pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path, settings: Any) -> Callable[..., Path]:
    settings.EXPORTS_DIR = tmp_path / "exports"
    make_product("p1")

    def write_file(text: str, name: str = "reviews.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write_file


def load(path: Path, mapping: dict[str, str] | None = None, **options: Any) -> ReviewImportResult:
    return import_reviews(path=path, mapping=mapping or {}, received_at=NOW, **options)


def counts(summary: ReviewImportResult) -> tuple[int, int, int, int, int]:
    return summary.rows, summary.created, summary.updated, summary.unchanged, summary.rejected


TEXT = (
    "sku,Stars,comment,who\n"
    "p1,5,很快，好吃,u1\n"
    "p1,5,很快，好吃,u1\n"  # a duplicate of the row above
    "p1,9,x,u2\n"
    "p2,3,x,u2\n"
    "p1,3\n"
)
MAPPING = {"product_id": "sku", "rating": "Stars", "body": "comment", "user_id": "who"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_mapped_file_is_imported_and_rejected_rows_are_reported(write: Callable[..., Path], encoding: str) -> None:
    summary = load(write(TEXT, encoding=encoding), MAPPING)
    assert counts(summary) == (5, 2, 0, 0, 3)
    assert set(Review.objects.values_list("body", flat=True)) == {"很快，好吃"}
    assert summary.error_file is not None
    with summary.error_file.open(encoding="utf-8-sig", newline="") as file:
        assert [(row["line"], row["field"], row["problem"]) for row in csv.DictReader(file)] == [
            ("4", "rating", "out_of_range"),
            ("5", "product_id", "unknown_product"),
            ("6", "row", "unreadable"),
        ]


def test_a_second_import_changes_nothing_even_without_ids(write: Callable[..., Path]) -> None:
    path = write(TEXT)
    load(path, MAPPING)
    assert counts(load(path, MAPPING)) == (5, 0, 0, 2, 3)


def test_a_dry_run_changes_nothing(write: Callable[..., Path]) -> None:
    assert counts(load(write(TEXT), MAPPING, dry_run=True)) == (5, 2, 0, 0, 3)
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("text", "mapping", "expected_text"),
    [
        ("", {}, "is empty"),
        ("product_id,rating\n", {}, "has no reviews"),
        ("product_id,stars\np1,5\n", {}, "Missing column for rating"),
        ("product_id,rating\np1,5\n", {"product_id": "sku"}, "Missing column for product_id.*sku"),
        ("product_id,rating\np1,5\n", {"stars": "rating"}, "Unknown review fields: stars"),
        ("<xml/>", {}, "is XML"),
    ],
)
def test_unreadable_file_is_reported_with_the_reason(
    write: Callable[..., Path], text: str, mapping: dict[str, str], expected_text: str
) -> None:
    with pytest.raises(FeedError, match=expected_text):
        load(write(text), mapping)


def test_the_command_maps_columns(write: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write('{"sku": "p1", "rating": 4}\n', "reviews.jsonl")
    call_command("import_reviews", str(path), "--map", "product_id=sku")
    assert "1 rows: 1 created" in capsys.readouterr().out
    with pytest.raises(CommandError, match="use field=column"):
        call_command("import_reviews", str(path), "--map", "product_id")


@pytest.mark.skipif(not WAIMAI.is_file(), reason="the Chinese reviews are not on this machine")
def test_ten_thousand_chinese_reviews_are_stored_unchanged(write: Callable[..., Path], tmp_path: Path) -> None:
    with WAIMAI.open(encoding="utf-8", newline="") as file:
        reviews = [(row["label"], row["review"]) for row in csv.DictReader(file)]
    path = tmp_path / "mapped.csv"
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product_id", "rating", "body"])
        writer.writerows(["p1", "5" if label == "1" else "1", text] for label, text in reviews)
    summary = load(path)
    assert (summary.rows, summary.created, summary.rejected) == (len(reviews), len(reviews), 0)
    expected = sorted((5 if label == "1" else 1, text.strip()) for label, text in reviews)
    assert sorted(Review.objects.values_list("rating", "body")) == expected
