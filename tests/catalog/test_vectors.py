"""Product vectors: REST, files and the back office."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from catalog.feeds.feed_file import FeedError
from catalog.feeds.vector_import import VectorImportResult, import_vectors
from catalog.models import ProductVector
from catalog.vectors import upsert_vectors
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/products/vectors/"


@pytest.fixture
def products(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    for product_id in ("a", "b", "c/1"):
        make_product(product_id)


@pytest.fixture
def boss(client: Client, products: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


def send(client: Client, vectors: Any, name: Any = "image") -> Any:
    return client.post(ADDRESS, {"name": name, "vectors": vectors}, content_type="application/json")


def stored(name: str = "image") -> dict[str, list[float]]:
    rows = ProductVector.objects.filter(name=name).values_list("product__product_id", "vector")
    return {product_id: np.frombuffer(vector, "<f4").tolist() for product_id, vector in rows}


def test_vectors_are_stored_as_float32_and_a_second_write_changes_nothing(boss: Client) -> None:
    vectors = [{"product_id": "a", "vector": [0.5, -1]}, {"product_id": "c/1", "vector": [0.1, 2]}]
    first = send(boss, vectors).json()
    assert (first["created"], first["rejected"]) == (2, 0)
    assert stored() == {"a": [0.5, -1.0], "c/1": [np.float32(0.1), 2.0]}
    moment = ProductVector.objects.values_list("updated_at", flat=True).first()
    assert send(boss, vectors).json()["unchanged"] == 2
    assert ProductVector.objects.values_list("updated_at", flat=True).first() == moment
    assert send(boss, [{"product_id": "a", "vector": [0.5, 1]}]).json()["updated"] == 1
    assert boss.get(ADDRESS).json()[0] | {"updated_at": ""} == {
        "name": "image",
        "dimension": 2,
        "products": 2,
        "updated_at": "",
    }


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"product_id": "nowhere", "vector": [1, 2]}, "unknown_product"),
        ({"vector": [1, 2]}, "required"),
        ({"product_id": "b", "vector": [1, 2, 3]}, "other_dimension"),
        ({"product_id": "b", "vector": "1 2"}, "not_numbers"),
        ({"product_id": "b", "vector": [1, "2"]}, "not_numbers"),
        ({"product_id": "b", "vector": [1, None]}, "not_numbers"),
        ({"product_id": "b", "vector": []}, "not_numbers"),
        ({"product_id": "b", "vector": [[1], [2, 3]]}, "not_numbers"),
        ({"product_id": "b"}, "not_numbers"),
        ({"product_id": "b", "vector": [1, 2], "vectors": [1, 2]}, "unknown_field"),
        ({"product_id": "b", "vector": [1, 1e300]}, "not_finite"),
        ({"product_id": "b", "vector": [0, 0.0]}, "all_zero"),
        ({"product_id": "b", "vector": [1.0] * 4097}, "too_long"),
        ({"product_id": "a", "vector": [1, 3]}, "duplicate"),
    ],
)
def test_an_invalid_vector_rejects_only_its_item(boss: Client, item: dict[str, Any], code: str) -> None:
    answer = send(boss, [{"product_id": "a", "vector": [1, 2]}, item]).json()
    assert [result["status"] for result in answer["results"]] == ["created", "rejected"]
    assert answer["results"][1]["errors"][0]["code"] == code
    assert stored() == {"a": [1.0, 2.0]}


def test_another_dimension_is_an_error_with_both_dimensions_and_the_fix(boss: Client) -> None:
    send(boss, [{"product_id": "a", "vector": [1, 2]}])
    message = send(boss, [{"product_id": "b", "vector": [1]}]).json()["results"][0]["errors"][0]["message"]
    assert "the stored vectors named image have dimension 2" in message
    assert "The vector has dimension 1" in message
    assert "--replace" in message
    assert send(boss, [{"product_id": "b", "vector": [1]}], name="sound").json()["created"] == 1


@pytest.mark.parametrize("name", ["", None, "x" * 51, "a\nb"])
def test_an_invalid_name_is_an_error_of_its_field(boss: Client, name: Any) -> None:
    answer = send(boss, [{"product_id": "a", "vector": [1]}], name=name)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "name"


def test_more_than_1000_items_and_items_that_are_not_objects_are_rejected(boss: Client) -> None:
    many = send(boss, [{"product_id": "a", "vector": [1]}] * 1001)
    assert (many.status_code, many.json()["errors"][0]["field"]) == (400, "vectors")
    assert send(boss, ["a"]).status_code == 400


def test_writing_requires_the_scope(client: Client, products: None) -> None:
    assert send(client, [{"product_id": "a", "vector": [1]}]).status_code in (401, 403)
    client.force_login(get_user_model().objects.create_user("guest", password="x", is_staff=True))
    assert send(client, [{"product_id": "a", "vector": [1]}]).status_code == 403


def test_the_database_rejects_a_dimension_that_differs_from_the_vector(products: None) -> None:
    with pytest.raises(IntegrityError, match="catalog_vector_holds_dimension"):
        ProductVector.objects.create(
            product=make_product(), name="image", dimension=3, vector=b"\0" * 8, updated_at=NOON
        )


IDS, MATRIX = ["a", "b", "nowhere"], np.array([[1, 2], [3, 4], [5, 6]], np.float32)


def write_file(path: Path, ids: list[str] = IDS, matrix: Any = MATRIX) -> Path:
    if path.suffix == ".npz":
        np.savez(path, ids=np.array(ids), matrix=matrix)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"product_id": ids, "vector": matrix.tolist()}), path)
    else:
        rows = [{"product_id": one, "vector": row} for one, row in zip(ids, matrix.tolist(), strict=True)]
        path.write_text("\n\n".join(json.dumps(row) for row in rows))
    return path


def load(path: Path, **options: Any) -> VectorImportResult:
    return import_vectors(path=path, name="image", started_at=NOON, **options)


@pytest.mark.parametrize("name", ["v.npz", "v.parquet", "v.jsonl"])
def test_every_file_format_gives_the_same_vectors_and_a_second_import_changes_nothing(
    products: None, tmp_path: Path, name: str
) -> None:
    path = write_file(tmp_path / name)
    assert load(path, dry_run=True).created == 2
    assert stored() == {}
    done = load(path)
    assert (done.rows, done.created, done.rejected) == (3, 2, 1)
    assert done.problems == {"product_id: unknown_product": 1}
    assert "nowhere" in Path(done.error_file).read_text(encoding="utf-8-sig")
    assert stored() == {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    again = load(path)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)


def test_the_first_vector_of_a_product_in_a_file_wins_across_batches(
    products: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.feeds.vector_files.BATCH", 1)
    done = load(write_file(tmp_path / "v.npz", ["a", "b", "a"]))
    assert done.problems == {"product_id: duplicate": 1}
    assert stored()["a"] == [1.0, 2.0]


def test_replace_removes_the_vectors_of_another_model(products: None, tmp_path: Path) -> None:
    load(write_file(tmp_path / "v.npz"))
    wide = write_file(tmp_path / "wide.npz", ["a"], np.ones((1, 3)))
    assert load(wide).problems == {"vector: other_dimension": 1}
    assert load(wide, replace=True, dry_run=True).created == 1
    assert len(stored()) == 2
    assert load(wide, replace=True).created == 1
    assert stored() == {"a": [1.0, 1.0, 1.0]}


def test_errors_of_broken_files_give_the_expected_format(products: None, tmp_path: Path) -> None:
    broken: dict[str, bytes] = {"v.csv": b"a,1", "v.npz": b"no zip", "v.parquet": b"no parquet", "v.jsonl": b"\n"}
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FeedError, match=name):
            load(tmp_path / name)
    np.savez(tmp_path / "other.npz", names=np.array(["a"]))
    with pytest.raises(FeedError, match="ids, matrix"):
        load(tmp_path / "other.npz")
    with pytest.raises(FeedError, match="shape"):
        load(write_file(tmp_path / "flat.npz", ["a"], np.ones(2)))
    pq.write_table(pa.table({"product_id": ["a"]}), tmp_path / "lacking.parquet")
    with pytest.raises(FeedError, match="is missing vector"):
        load(tmp_path / "lacking.parquet")
    with pytest.raises(FeedError, match="cannot be opened"):
        load(tmp_path / "absent.npz")
    (tmp_path / "lines.jsonl").write_text('{"product_id": "a", "vector": [1]}\nnothing\n')
    assert load(tmp_path / "lines.jsonl").rejected == 1


def test_the_command_reports_counts_and_errors(products: None, tmp_path: Path) -> None:
    out = io.StringIO()
    call_command("import_vectors", str(write_file(tmp_path / "v.npz")), "--name", "image", stdout=out)
    assert "3 rows: 2 created, 0 updated, 0 unchanged, 1 rejected." in out.getvalue()
    assert "1 × product_id: unknown_product" in out.getvalue()
    with pytest.raises(CommandError, match="such as image"):
        call_command("import_vectors", str(tmp_path / "v.npz"), "--name", " ")


@pytest.mark.parametrize(("language", "heading"), [("en", "Vectors"), ("zh-hans", "向量")])
def test_the_page_of_a_product_lists_its_vectors(boss: Client, language: str, heading: str) -> None:
    product = make_product("seen")
    upsert_vectors(name="image", items=[("seen", [1.0] * 7)], at=NOON)
    page = boss.get(reverse("admin:catalog_product_change", args=[product.pk]), headers={"accept-language": language})
    text = page.content.decode()
    assert heading in text
    assert '<td class="pr-6">image</td><td class="pr-6 text-right">7</td>' in text
