"""The search snapshot of a worker follows the database, and workers share one index."""

import gc
import mmap
import weakref
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from catalog.models import Product
from config.foundation.database.advisory_locks import exclusive_lock
from recommendations.serving.search import searcher
from recommendations.serving.search.index import product_texts
from recommendations.serving.search.index.builder import INDEX_LOCK
from recommendations.serving.search.index.storage import get_index_folder, read_pointer
from recommendations.serving.search.models import Synonym
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import search
from recommendations.serving.search.searcher import Searcher, SearchNotReadyError
from recommendations.serving.state.loader import StateLoader
from tests.makers import NOON, make_product
from tests.waiting import DEADLINE_SECONDS, wait_until


@pytest.fixture(autouse=True)
def refresh_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", -1.0)
    monkeypatch.setattr("recommendations.serving.state.loader.REFRESH_INTERVAL_SECONDS", -1.0)


def find_ids(source: Searcher, q: str, language: str = "en") -> list[str]:
    snapshot = source.get_snapshot(now=NOON)
    page = search(SearchRequest(q=q, strict=True, language=language, n=100), snapshot=snapshot)
    return sorted(snapshot.catalog.product_ids[hit.row] for hit in page.hits)


def test_a_changed_title_is_found_but_the_old_one_is_not(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    assert find_ids(fresh_searcher, "inch") == ["t1"]
    product = Product.objects.get(product_id="t1")
    product.title = "Projector"
    product.save()
    assert find_ids(fresh_searcher, "projector") == ["t1"]
    assert find_ids(fresh_searcher, "inch") == []


@pytest.mark.parametrize("is_first", [True, False], ids=["build", "refresh"])
def test_a_change_that_is_committed_while_others_are_read_is_found(
    shop_of_twelve: None, fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    """Otherwise the product would be found by its old title until another product changes."""
    name = "read_products" if is_first else "read_changes"
    read = getattr(searcher, name)

    def read_and_change(**arguments: Any) -> Iterator[Any]:
        yield from read(**arguments)
        monkeypatch.setattr(searcher, name, read)
        Product.objects.filter(product_id="t1").update(title="Projector", updated_at=timezone.now())

    if not is_first:
        other = find_ids(fresh_searcher, "kettle")[0]
        Product.objects.filter(product_id=other).update(title="Beamer", updated_at=timezone.now())
    monkeypatch.setattr(searcher, name, read_and_change)
    find_ids(fresh_searcher, "kettle")
    assert find_ids(fresh_searcher, "projector") == ["t1"]
    if not is_first:
        assert find_ids(fresh_searcher, "beamer") == [other]


def test_a_replaced_snapshot_is_freed_without_a_garbage_collection(
    shop_of_twelve: None, fresh_searcher: Searcher
) -> None:
    """The objects of a worker are excluded from garbage collections, so that a cycle would stay in its memory forever."""

    def search_all() -> list[weakref.ref[Any]]:
        references: list[weakref.ref[Any]] = []
        for q in ("kettle", "ketle", "inch"):
            snapshot = fresh_searcher.get_snapshot(now=NOON)
            popularity = np.ones(snapshot.catalog.n, np.float32).__getitem__
            request = SearchRequest(q=q, language="en", facets=True)
            search(request, snapshot=snapshot, popularity=popularity)
            references.append(weakref.ref(snapshot))
        return references

    replaced = search_all()
    Product.objects.filter(product_id="t1").update(title="Projector", updated_at=timezone.now())
    gc.disable()
    try:
        search_all()
        assert [reference() for reference in replaced] == [None] * len(replaced)
    finally:
        gc.enable()


def test_a_new_product_is_found_until_it_becomes_inactive(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    assert find_ids(fresh_searcher, "toaster") == []
    make_product("o1", title="Toaster", category="Kitchen > Toasters", attributes={"slots": 2})
    assert find_ids(fresh_searcher, "toaster") == ["o1"]
    attributes = fresh_searcher.get_snapshot(now=NOON).texts.attributes
    assert attributes.count_values(np.arange(13, dtype=np.int32))["slots"] == [("2", 1)]
    Product.objects.filter(product_id="o1").update(is_active=False, updated_at=timezone.now())
    assert find_ids(fresh_searcher, "toaster") == []


def test_the_price_ranges_follow_a_new_price(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    def list_ends() -> list[float | None]:
        request = SearchRequest("kettle", price_min=Decimal(10), language="en")
        # asked twice: the second answer may use what the first one has kept
        pages = [search(request, snapshot=fresh_searcher.get_snapshot(now=NOON)) for _number in range(2)]
        assert pages[0].facets.price == pages[1].facets.price
        return [entry.low for entry in pages[1].facets.price]

    before = list_ends()
    assert max(end or 0 for end in before) < 50
    Product.objects.filter(product_id="k1").update(price=Decimal("90.00"), updated_at=timezone.now())
    assert max(end or 0 for end in list_ends()) > max(end or 0 for end in before)


def test_the_facets_follow_a_new_category_and_a_product_that_is_sold_out(
    shop_of_twelve: None, fresh_searcher: Searcher
) -> None:
    def count_categories() -> dict[str, int]:
        request = SearchRequest("kettle", price_min=Decimal(1), language="en")
        pages = [search(request, snapshot=fresh_searcher.get_snapshot(now=NOON)) for _number in range(2)]
        assert pages[0].facets == pages[1].facets
        return {entry.value: entry.count for entry in pages[1].facets.category}

    assert sum(count_categories().values()) == 3
    make_product("k9", title="Travel kettle", category="Travel > Kettles", price=Decimal(20))
    assert count_categories()["Travel"] == 1
    Product.objects.filter(product_id="k9").update(stock=0, updated_at=timezone.now())
    assert "Travel" not in count_categories()


def test_products_restored_from_a_backup_are_found_at_the_next_count(
    shop_of_twelve: None, fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "COUNT_INTERVAL_S", 3600.0)
    find_ids(fresh_searcher, "toaster")
    make_product("o1", title="Toaster")
    Product.objects.filter(product_id="o1").update(updated_at=NOON - timedelta(days=900))
    assert fresh_searcher.get_snapshot(now=NOON).find_rows(["o1"]).tolist() == []
    monkeypatch.setattr(searcher, "COUNT_INTERVAL_S", -1.0)
    assert fresh_searcher.get_snapshot(now=NOON).find_rows(["o1"]).tolist() == [12]


def test_synonyms_apply_at_once_and_only_to_their_language(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    assert find_ids(fresh_searcher, "boiler") == []
    synonym = Synonym.objects.create(terms=["boiler", "kettle"])
    assert find_ids(fresh_searcher, "boiler") == ["k1", "k2", "k3"]
    Synonym.objects.create(terms=["decanter"], replacements=["保温杯"], language="zh")
    assert find_ids(fresh_searcher, "decanter", "zh-hans") == ["b1"]
    assert find_ids(fresh_searcher, "decanter", "en") == []
    assert find_ids(fresh_searcher, "boiler", "zh-hans") == ["k1", "k2", "k3"]
    Synonym.objects.filter(pk=synonym.pk).update(enabled=False, updated_at=timezone.now())
    assert find_ids(fresh_searcher, "boiler") == []
    Synonym.objects.filter(language="zh").delete()
    assert find_ids(fresh_searcher, "decanter", "zh-hans") == []


def is_mapped(array: np.ndarray) -> bool:
    base = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap.mmap)


def test_the_second_worker_maps_the_index_that_the_first_saved(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    first = fresh_searcher.get_snapshot(now=NOON)
    Product.objects.filter(product_id="t1").update(title="Projector", updated_at=timezone.now())
    second = Searcher(source=StateLoader(), background=False)
    assert find_ids(second, "projector") == ["t1"]
    assert is_mapped(second.get_snapshot(now=NOON).texts.index.segments[0].docs)
    assert is_mapped(first.texts.index.segments[0].docs), "the worker that saved it maps it too"
    assert len(list(get_index_folder().glob("texts-*"))) == 1
    second.source.valkey.close()


def test_many_changes_are_merged_and_shared(
    shop_of_twelve: None, fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_texts, "MIN_CHANGED", 3)
    other = Searcher(source=fresh_searcher.source, background=False)
    assert find_ids(fresh_searcher, "kettle") == find_ids(other, "kettle")
    before = read_pointer()
    for number in range(6):
        make_product(f"o{number}", title=f"Toaster number{number}", attributes={"slots": number})
    assert len(find_ids(fresh_searcher, "toaster")) == 6
    assert read_pointer() != before
    assert len(fresh_searcher.get_snapshot(now=NOON).texts.index.segments) == 1
    assert len(find_ids(other, "toaster")) == 6
    assert other.loaded_name == fresh_searcher.loaded_name
    assert find_ids(other, "number3")[:1] == ["o3"]


def test_search_is_not_ready_while_another_process_builds_the_index(
    shop_of_twelve: None, fresh_searcher: Searcher
) -> None:
    import threading

    from django.db import connection

    locked, done = threading.Event(), threading.Event()

    def build() -> None:
        with exclusive_lock(INDEX_LOCK):
            locked.set()
            done.wait()
        connection.close()

    thread = threading.Thread(target=build)
    thread.start()
    locked.wait()
    try:
        with pytest.raises(SearchNotReadyError):
            fresh_searcher.get_snapshot(now=NOON)
    finally:
        done.set()
        thread.join()
    assert find_ids(fresh_searcher, "television") == ["t1"]


def test_a_damaged_index_is_built_again(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    find_ids(fresh_searcher, "kettle")
    saved = read_pointer()
    assert saved is not None
    (get_index_folder() / saved["name"] / "manifest.json").write_text("{}")
    other = Searcher(source=fresh_searcher.source, background=False)
    assert find_ids(other, "kettle") == ["k1", "k2", "k3"]
    assert read_pointer() != saved


def test_a_worker_that_cannot_save_keeps_its_own_index(
    shop_of_twelve: None, fresh_searcher: Searcher, settings: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    settings.MODELS_DIR = tmp_path / "file"  # type: ignore[attr-defined]
    assert find_ids(fresh_searcher, "television") == ["t1"]
    assert fresh_searcher.loaded_name == ""


@pytest.mark.django_db(transaction=True)
def test_the_thread_keeps_the_snapshot_current(
    folders: Path, valkey: object, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", 0.05)
    monkeypatch.setattr(searcher, "MAX_WAIT_S", DEADLINE_SECONDS)
    make_product("o1", title="Toaster")
    fresh_searcher = Searcher(source=loader)
    try:
        assert find_ids(fresh_searcher, "toaster") == ["o1"]
        make_product("o2", title="Juicer")
        wait_until(lambda: find_ids(fresh_searcher, "juicer") == ["o2"], what="the new product")
    finally:
        fresh_searcher.stop()
        assert fresh_searcher.thread is not None
        assert not fresh_searcher.thread.is_alive()


def test_an_empty_catalog_has_no_matches(db: None, folders: Path, valkey: object, fresh_searcher: Searcher) -> None:
    assert find_ids(fresh_searcher, "kettle") == []
    assert find_ids(fresh_searcher, "") == []
    make_product("o1", title="Toaster")
    assert find_ids(fresh_searcher, "toaster") == ["o1"]


def test_mean_lengths_are_measured_again_after_the_catalog_grows(
    db: None, folders: Path, valkey: object, fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_texts, "MIN_CHANGED", 3)
    monkeypatch.setattr(searcher, "COUNT_INTERVAL_S", -1.0)
    make_product("o1", title="One title of quite a few words")
    assert fresh_searcher.get_snapshot(now=NOON).texts.index.pivots["title"] == 7
    for number in range(6):
        make_product(f"short{number}", title="Short")
    fresh_searcher.get_snapshot(now=NOON)
    texts = fresh_searcher.get_snapshot(now=NOON).texts
    assert texts.measured_products == 7
    assert texts.index.pivots["title"] == pytest.approx(13 / 7)


def test_opened_texts_equal_the_saved_texts(shop_of_twelve: None, fresh_searcher: Searcher) -> None:
    texts = fresh_searcher.get_snapshot(now=NOON).texts
    opened = product_texts.ProductTexts.from_artifact(texts.to_artifact())
    assert opened.product_ids.list_texts() == texts.product_ids.list_texts()
    assert opened.changed_until == texts.changed_until
    rows = np.arange(len(texts), dtype=np.int32)
    assert opened.attributes.count_values(rows) == texts.attributes.count_values(rows)
    assert opened.index.search("kettle").rows.tolist() == texts.index.search("kettle").rows.tolist()
