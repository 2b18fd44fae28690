"""What a worker searches in follows the database, and is shared with the other workers."""

import mmap
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.models import Product
from config.foundation.database.advisory_locks import exclusive_lock
from recommendations.engine.text_search import Documents, TextIndex
from recommendations.serving.rest.search.request import SearchRequest
from recommendations.serving.search import searcher, snapshot
from recommendations.serving.search.attributes import AttributeIndex
from recommendations.serving.search.models import Synonym
from recommendations.serving.search.search import search
from recommendations.serving.search.searcher import (
    INDEX_LOCK,
    Searcher,
    SearchNotReadyError,
    get_index_folder,
    read_pointer,
)
from recommendations.serving.search.string_table import StringTable
from recommendations.serving.state.loader import StateLoader
from tests.makers import NOON, make_product


@pytest.fixture(autouse=True)
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", -1.0)
    monkeypatch.setattr("recommendations.serving.state.loader.REFRESH_INTERVAL_SECONDS", -1.0)


def found(searching: Searcher, q: str, language: str = "en") -> list[str]:
    current = searching.current(now=NOON)
    page = search(SearchRequest(q=q, strict=True, language=language, n=100), snapshot=current)
    return sorted(current.catalog.product_ids[hit.row] for hit in page.hits)


def test_a_changed_title_is_found_and_the_old_one_is_not(shop_of_twelve: None, searching: Searcher) -> None:
    assert found(searching, "television") == ["t1"]
    product = Product.objects.get(product_id="t1")
    product.title = "Projector"
    product.save()
    assert found(searching, "projector") == ["t1"]
    assert found(searching, "television") == []


def test_a_new_product_and_one_that_goes(shop_of_twelve: None, searching: Searcher) -> None:
    assert found(searching, "toaster") == []
    make_product("o1", title="Toaster", category="Kitchen > Toasters", attributes={"slots": 2})
    assert found(searching, "toaster") == ["o1"]
    attributes = searching.current(now=NOON).texts.attributes
    assert attributes.count_values(np.arange(13, dtype=np.int32))["slots"] == [("2", 1)]
    Product.objects.filter(product_id="o1").update(is_active=False, updated_at=timezone.now())
    assert found(searching, "toaster") == []


def test_products_that_a_backup_brings_are_found_at_the_next_count(
    shop_of_twelve: None, searching: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(searching, "toaster")
    make_product("o1", title="Toaster")
    Product.objects.filter(product_id="o1").update(updated_at=NOON - timedelta(days=900))
    assert searching.current(now=NOON).find_rows(["o1"]).tolist() == []
    monkeypatch.setattr(searcher, "COUNT_INTERVAL_S", -1.0)
    assert searching.current(now=NOON).find_rows(["o1"]).tolist() == [12]


def test_synonyms_hold_at_once_and_for_their_language(shop_of_twelve: None, searching: Searcher) -> None:
    assert found(searching, "boiler") == []
    synonym = Synonym.objects.create(terms=["boiler", "kettle"])
    assert found(searching, "boiler") == ["k1", "k2", "k3"]
    Synonym.objects.create(terms=["flask"], replacements=["保温杯"], language="zh")
    assert found(searching, "flask", "zh-hans") == ["b1"]
    assert found(searching, "flask", "en") == []
    assert found(searching, "boiler", "zh-hans") == ["k1", "k2", "k3"]
    Synonym.objects.filter(pk=synonym.pk).update(enabled=False, updated_at=timezone.now())
    assert found(searching, "boiler") == []
    Synonym.objects.filter(language="zh").delete()
    assert found(searching, "flask", "zh-hans") == []


def is_mapped(array: np.ndarray) -> bool:
    base = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap.mmap)


def test_the_second_worker_maps_what_the_first_has_saved(shop_of_twelve: None, searching: Searcher) -> None:
    first = searching.current(now=NOON)
    Product.objects.filter(product_id="t1").update(title="Projector", updated_at=timezone.now())
    second = Searcher(source=StateLoader(), background=False)
    assert found(second, "projector") == ["t1"]
    assert is_mapped(second.current(now=NOON).texts.index.segments[0].docs)
    assert is_mapped(first.texts.index.segments[0].docs), "so does the one that saved it"
    assert len(list(get_index_folder().glob("texts-*"))) == 1
    second.source.valkey.close()


def test_many_changes_are_put_together_and_shared(
    shop_of_twelve: None, searching: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MIN_CHANGED", 3)
    other = Searcher(source=searching.source, background=False)
    assert found(searching, "kettle") == found(other, "kettle")
    before = read_pointer()
    for number in range(6):
        make_product(f"o{number}", title=f"Toaster number{number}", attributes={"slots": number})
    assert len(found(searching, "toaster")) == 6
    assert read_pointer() != before
    assert len(searching.current(now=NOON).texts.index.segments) == 1
    assert len(found(other, "toaster")) == 6
    assert other.loaded_name == searching.loaded_name
    assert found(other, "number3")[:1] == ["o3"]


def test_while_another_process_builds_nothing_is_ready(shop_of_twelve: None, searching: Searcher) -> None:
    import threading

    from django.db import connection

    held, done = threading.Event(), threading.Event()

    def build() -> None:
        with exclusive_lock(INDEX_LOCK):
            held.set()
            done.wait()
        connection.close()

    thread = threading.Thread(target=build)
    thread.start()
    held.wait()
    try:
        with pytest.raises(SearchNotReadyError):
            searching.current(now=NOON)
    finally:
        done.set()
        thread.join()
    assert found(searching, "television") == ["t1"]


def test_a_damaged_file_is_built_anew(shop_of_twelve: None, searching: Searcher) -> None:
    found(searching, "kettle")
    saved = read_pointer()
    assert saved is not None
    (get_index_folder() / saved["name"] / "manifest.json").write_text("{}")
    other = Searcher(source=searching.source, background=False)
    assert found(other, "kettle") == ["k1", "k2", "k3"]
    assert read_pointer() != saved


def test_without_a_disk_a_worker_keeps_its_own(
    shop_of_twelve: None, searching: Searcher, settings: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    settings.MODELS_DIR = tmp_path / "file"  # type: ignore[attr-defined]
    assert found(searching, "television") == ["t1"]
    assert searching.loaded_name == ""


@pytest.mark.django_db(transaction=True)
def test_the_thread_keeps_it_current(
    folders: Path, valkey: object, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 0.05)
    make_product("o1", title="Toaster")
    searching = Searcher(source=loader)
    try:
        assert found(searching, "toaster") == ["o1"]
        make_product("o2", title="Juicer")
        until = time.monotonic() + 10
        while not found(searching, "juicer") and time.monotonic() < until:
            pass
        assert found(searching, "juicer") == ["o2"]
    finally:
        searching.stop()
        assert searching.thread is not None
        assert not searching.thread.is_alive()


def test_an_empty_shop_finds_nothing(db: None, folders: Path, valkey: object, searching: Searcher) -> None:
    assert found(searching, "kettle") == []
    assert found(searching, "") == []
    make_product("o1", title="Toaster")
    assert found(searching, "toaster") == ["o1"]


def test_a_shop_that_grew_is_measured_anew(
    db: None, folders: Path, valkey: object, searching: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MIN_CHANGED", 3)
    monkeypatch.setattr(searcher, "COUNT_INTERVAL_S", -1.0)
    make_product("o1", title="One title of quite a few words")
    assert searching.current(now=NOON).texts.index.pivots["title"] == 7
    for number in range(6):
        make_product(f"short{number}", title="Short")
    searching.current(now=NOON)
    texts = searching.current(now=NOON).texts
    assert texts.measured_products == 7
    assert texts.index.pivots["title"] == pytest.approx(13 / 7)


def test_what_is_saved_is_what_is_opened(shop_of_twelve: None, searching: Searcher) -> None:
    texts = searching.current(now=NOON).texts
    again = snapshot.ProductTexts.of_artifact(texts.artifact())
    assert again.product_ids.texts() == texts.product_ids.texts()
    assert again.changed_until == texts.changed_until
    rows = np.arange(len(texts), dtype=np.int32)
    assert again.attributes.count_values(rows) == texts.attributes.count_values(rows)
    assert again.index.search("kettle").rows.tolist() == texts.index.search("kettle").rows.tolist()


pairs = st.lists(st.sampled_from(["color=red", "color=blue", "size=1", "size=2", "a=b=c"]), unique=True, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 6), pairs), min_size=1, max_size=10), st.lists(st.integers(0, 6)))
def test_attributes_are_those_of_the_last_change(changes: list[tuple[int, list[str]]], asked: list[int]) -> None:
    attributes, present = AttributeIndex.empty(), dict[int, list[str]]()
    for row, values in changes:
        attributes = attributes.with_changes(np.array([row], np.int32), [values])
        present[row] = values
    rows = np.array([row for row in asked if row < len(attributes.starts)], np.int32)
    expected: dict[str, dict[str, int]] = {}
    for row in rows.tolist():
        for pair in present.get(row, []):
            name, _, value = pair.partition("=")
            expected.setdefault(name, {}).setdefault(value, 0)
            expected[name][value] += 1
    for one in (attributes, attributes.compacted(), AttributeIndex.from_arrays(*attributes.compacted().arrays())):
        assert {name: dict(values) for name, values in one.count_values(rows).items()} == expected
        assert one.find_rows("color", "red", rows).tolist() == [
            "color=red" in present.get(row, []) for row in rows.tolist()
        ]


@given(st.lists(st.lists(st.text(max_size=4), max_size=6), max_size=4))
def test_names_keep_their_numbers(groups: list[list[str]]) -> None:
    names, known = StringTable.of([]), list[str]()
    for group in groups:
        names, numbers = names.with_new(group)
        known += [text for text in dict.fromkeys(group) if text not in known]
        assert numbers.tolist() == [known.index(text) for text in group]
    for one in (names, StringTable.of(names.texts()), StringTable.from_arrays(names.arrays())):
        assert one.texts() == known
        assert [one.text(number) for number in range(len(known))] == known
        assert one.numbers(["surely not there"]).tolist() == [-1]


def test_texts_of_a_hundred_thousand_products_take_little_room() -> None:
    words = [f"word{number}" for number in range(500)]
    titles = [" ".join(words[(row * step) % 500] for step in (1, 3, 7, 11)) for row in range(20_000)]
    index = TextIndex.of(Documents([[str(row)] for row in range(20_000)], {"title": titles}))
    assert index.megabytes < 3
