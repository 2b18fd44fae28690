"""Workers share an index that is opened before they are forked, and another process builds it."""

import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import cast

import psutil
import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from catalog.models import Product
from config.foundation.processes.dependent_process import run_dependent
from recommendations.serving.search import searcher
from recommendations.serving.search.index import product_texts
from recommendations.serving.search.index.builder import IndexBuilder
from recommendations.serving.search.index.storage import read_pointer
from recommendations.serving.search.searcher import Searcher, SearchNotReadyError
from recommendations.serving.state.loader import StateLoader
from tests.makers import NOON, make_product
from tests.recommendations.serving.search.conftest import make_shop
from tests.recommendations.serving.search.test_searcher import find_ids, is_mapped
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def refresh_at_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searcher, "REFRESH_INTERVAL_S", -1.0)
    monkeypatch.setattr("recommendations.serving.state.loader.REFRESH_INTERVAL_SECONDS", -1.0)


@pytest.fixture
def preloaded_shop(transactional_db: None, folders: Path, valkey: redis.Redis, loader: StateLoader) -> StateLoader:
    """The loader of a web server before the fork, which leaves no connection open."""
    make_shop()
    loader.is_refreshed_by_thread = True
    loader.preload(now=NOON)
    return loader


@dataclass
class RecordingBuilder:
    """Counts its starts instead of starting a process."""

    starts: int = 0
    is_running: bool = False
    is_available: bool = True

    def start(self) -> None:
        self.starts += 1


def make_worker(source: StateLoader, builder: RecordingBuilder) -> Searcher:
    return Searcher(source=source, background=False, builder=cast("IndexBuilder", builder))


def test_a_worker_opens_what_was_prepared_before_the_fork(preloaded_shop: StateLoader) -> None:
    parent = Searcher(source=preloaded_shop)
    parent.preload(now=NOON)
    assert parent.snapshot is None, "a worker that is started later must read the changes before it answers"
    prepared = parent.prepared
    assert prepared is not None
    assert is_mapped(prepared.texts.index.segments[0].docs)
    assert connection.connection is None
    preloaded_shop.refresh(now=NOON)
    parent.builder = cast("IndexBuilder", RecordingBuilder())
    parent.refresh(now=NOON)
    assert parent.snapshot is not None
    assert (parent.snapshot.texts, parent.prepared) == (prepared.texts, None)
    assert parent.snapshot.catalog_rows is prepared.catalog_rows


def test_the_index_of_a_large_catalog_does_not_delay_the_start(
    preloaded_shop: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "MAX_PRELOADED", 11)
    builder = RecordingBuilder()
    worker = make_worker(preloaded_shop, builder)
    worker.preload(now=NOON)
    assert worker.prepared is None
    preloaded_shop.refresh(now=NOON)
    with pytest.raises(SearchNotReadyError):
        worker.get_snapshot(now=NOON)
    assert (builder.starts, read_pointer()) == (1, None)
    call_command("build_search_index", stdout=StringIO())
    assert find_ids(worker, "kettle") == ["k1", "k2", "k3"]
    assert builder.starts == 1


def test_another_process_merges_many_changes(
    shop_of_twelve: None, fresh_searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_texts, "MIN_CHANGED", 3)
    find_ids(fresh_searcher, "kettle")
    builder = RecordingBuilder()
    worker = make_worker(fresh_searcher.source, builder)
    assert find_ids(worker, "toaster") == []
    for number in range(2):
        make_product(f"o{number}", title="Toaster")
    assert find_ids(worker, "toaster") == ["o0", "o1"]
    assert builder.starts == 0, "a few changes stay in the worker"
    for number in range(2, 6):
        make_product(f"o{number}", title="Toaster")
    assert find_ids(worker, "toaster") == ["o0", "o1"]
    before = read_pointer()
    assert (builder.starts, before is not None) == (1, True)
    output = StringIO()
    call_command("build_search_index", stdout=output)
    assert "has 18 products" in output.getvalue()
    assert read_pointer() != before
    assert len(find_ids(worker, "toaster")) == 6
    assert (builder.starts, len(worker.get_snapshot(now=NOON).texts.index.segments)) == (1, 1)


def test_prices_are_current_while_another_process_builds_the_index(
    shop_of_twelve: None, fresh_searcher: Searcher
) -> None:
    find_ids(fresh_searcher, "kettle")
    worker = make_worker(fresh_searcher.source, RecordingBuilder())
    find_ids(worker, "kettle")
    worker.builder = cast("IndexBuilder", RecordingBuilder(is_running=True))
    Product.objects.filter(product_id="k1").update(is_active=False, updated_at=timezone.now())
    assert find_ids(worker, "kettle") == ["k2", "k3"]


def test_a_worker_builds_the_index_itself_if_the_builder_fails(
    shop_of_twelve: None, fresh_searcher: Searcher, caplog: pytest.LogCaptureFixture
) -> None:
    builder = IndexBuilder([sys.executable, "-c", "raise SystemExit(3)"])
    worker = Searcher(source=fresh_searcher.source, background=False, builder=builder)
    with pytest.raises(SearchNotReadyError):
        worker.get_snapshot(now=NOON)
    builder.wait()
    assert "a separate process could not" in caplog.text
    assert find_ids(worker, "kettle") == ["k1", "k2", "k3"]


def test_the_build_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    build = (
        "import os, pathlib, time; from config.foundation.processes.dependent_process import end_with_starter; end_with_starter();"
        f"pathlib.Path({str(file)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    worker = (
        "import sys; from pathlib import Path; from config.foundation.processes.dependent_process import run_dependent;"
        f"run_dependent([sys.executable, '-c', {build!r}], folder=Path.cwd())"
    )
    with subprocess.Popen([sys.executable, "-c", worker], cwd=settings.BASE_DIR) as process:
        wait_until(lambda: file.exists() and bool(file.read_text()))
        child = psutil.Process(int(file.read_text()))
        process.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_build_that_is_done_ends_without_an_error() -> None:
    build = "from config.foundation.processes.dependent_process import end_with_starter; end_with_starter(); import time; time.sleep(.1)"
    for _run in range(3):
        run_dependent([sys.executable, "-c", build], folder=settings.BASE_DIR)


def test_the_builder_runs_its_command_once_for_all_processes(shop_of_twelve: None, tmp_path: Path) -> None:
    file = tmp_path / "runs"
    builder = IndexBuilder([sys.executable, "-c", f"open({str(file)!r}, 'a').write('x')"])
    builder.start()
    builder.start()
    builder.wait()
    assert (file.read_text(), builder.is_running, builder.is_available) == ("x", False, True)
