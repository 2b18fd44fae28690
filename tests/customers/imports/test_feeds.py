"""Product feeds are fetched by URL, and imported when they have changed."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from config.foundation.files.safe_download import Download, DownloadError
from customers.imports import feeds, tasks
from customers.imports.feeds import fetch_due_feeds, fetch_feed
from customers.imports.kinds.base import ImportFileError
from customers.imports.models import ImportRun, ScheduledFeed
from tests.customers.imports.wizard_pages import Upload, post
from tests.waiting import hold_lock_elsewhere

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = "id,title,price,link\ntea,Green tea,4.50 EUR,https://shop.example/tea\n"
URL = "https://shop.example/feed.csv"


@pytest.fixture
def serve(boss: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | Exception], None]:
    """Return a function that sets what the URL answers."""

    def set_answer(answer: str | Exception) -> None:
        def download_file(*, path: Path, etag: str, **options: Any) -> Download:
            if isinstance(answer, Exception):
                raise answer
            if etag == f'"{len(answer)}"':
                return Download(is_unchanged=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(answer)
            return Download(is_unchanged=False, etag=f'"{len(answer)}"', size=len(answer))

        monkeypatch.setattr(feeds, "download_file", download_file)

    return set_answer


def make_feed(**fields: Any) -> ScheduledFeed:
    return ScheduledFeed.objects.create(**{"url": URL, "source": "shop", **fields})


def test_changed_feed_is_imported_and_an_unchanged_one_is_not(serve: Callable[..., None]) -> None:
    serve(FEED)
    feed = make_feed()
    run = fetch_feed(feed=feed, at=NOW)
    assert run is not None
    assert (run.state, run.created, feed.error, feed.last_run) == ("imported", 1, "", run)
    assert fetch_feed(feed=feed, at=NOW + timedelta(days=1)) is None
    serve(FEED.replace("4.50", "5.00"))
    feed.etag = ""
    changed = fetch_feed(feed=feed, at=NOW + timedelta(days=2))
    assert changed is not None
    assert (changed.created, changed.updated) == (0, 1)
    assert str(Product.objects.get().price) == "5.00"


def test_unchanged_feed_is_imported_again_when_a_sale_in_it_starts_or_ends(serve: Callable[..., None]) -> None:
    serve(
        "id,title,price,sale_price,sale_price_effective_date\n"
        "tea,Green tea,20,15,2026-11-23T00:00Z/2026-11-24T15:00Z\n"
        "pot,Teapot,40,30,2026-11-26T00:00Z/2026-11-27T00:00Z\n"
        "mug,Mug,8,,2026-11-24T13:00Z/2026-11-24T14:00Z\n"
    )
    feed = make_feed()
    products = Product.objects.exclude(product_id="mug").order_by("product_id")
    prices = []
    for at in (
        NOW,
        NOW + timedelta(hours=2),
        NOW + timedelta(hours=3),
        NOW + timedelta(days=2),
        NOW + timedelta(days=4),
    ):
        run = fetch_feed(feed=feed, at=at)
        prices.append((run is not None, *map(int, products.values_list("price", flat=True))))
    assert prices == [(True, 40, 15), (False, 40, 15), (True, 40, 20), (True, 30, 20), (True, 40, 20)]
    assert fetch_feed(feed=feed, at=NOW + timedelta(days=5)) is None


def test_feed_is_fetched_when_a_sale_ends_but_not_more_often_than_every_hour(serve: Callable[..., None]) -> None:
    text = "id,title,price,sale_price,sale_price_effective_date\ntea,Tea,20,15,2026-11-23T00:00Z/2026-11-24T15:00Z\n"
    serve(text)
    feed = make_feed()
    fetch_feed(feed=feed, at=NOW)
    assert feed.due_at == NOW + timedelta(hours=3)
    fetch_feed(feed=feed, at=NOW + timedelta(hours=2, minutes=30))
    assert feed.due_at == NOW + timedelta(hours=3, minutes=30)


def test_compressed_feed_is_unpacked_and_a_damaged_one_is_refused(boss: Client, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv.gz"
    path.write_bytes(gzip.compress(FEED.encode()))
    feeds.unpack_file(path, max_bytes=1000)
    assert path.read_text() == FEED
    for content, limit, reason in (
        (gzip.compress(FEED.encode())[:-9], 1000, "damaged"),
        (gzip.compress(b"0" * 5000), 1000, "larger"),
    ):
        path.write_bytes(content)
        with pytest.raises(ImportFileError, match=reason):
            feeds.unpack_file(path, max_bytes=limit)
    assert feeds.name_file("https://shop.example/feed.xml.gz") == "feed.xml"


def test_feed_uses_the_columns_of_the_last_import_and_can_be_undone(
    boss: Client, upload: Upload, serve: Callable[..., None]
) -> None:
    text = "Nr;Bezeichnung;Preis\ntea;Green tea;4,50\n"
    names = {"Nr": "product_id", "Bezeichnung": "title", "Preis": "price"}
    upload("products", text, columns=names, currency="CHF")
    serve(text)
    run = fetch_feed(feed=make_feed(), at=NOW)
    assert run is not None
    assert (run.state, Product.objects.get().currency) == ("imported", "CHF")
    ImportRun.objects.update(undo_until=datetime(2100, 1, 1, tzinfo=UTC))
    assert post(boss, "undo", run).state == "undone"
    assert not Product.objects.exists()


def test_force_option_of_a_manual_import_does_not_apply_to_later_files(
    boss: Client, upload: Upload, serve: Callable[..., None]
) -> None:
    text = "id,title,price\n" + "".join(f"p{number},Product {number},5\n" for number in range(10))
    upload("products", text, missing="deactivate", force="on")
    next_file = upload("products", text, check=False)
    form = boss.get(reverse("imports:columns", args=[next_file.pk])).context["options"]
    assert (form["missing"].value(), form["force"].value()) == ("deactivate", None)
    serve(text)
    feed = make_feed()
    assert fetch_feed(feed=feed, at=NOW) is not None
    serve(text[: text.index("p4")])
    assert fetch_feed(feed=feed, at=NOW + timedelta(days=1)) is None
    assert "6 of 10" in feed.error
    assert Product.objects.active().count() == 10


def test_undone_import_no_longer_decides_which_products_its_source_has(boss: Client, upload: Upload) -> None:
    text = "id,title,price\ntea,Tea,5\npot,Pot,40\n"
    Product.objects.create(product_id="tea", title="Tea")
    wrong = post(boss, "start", upload("products", text, source="mugs"))
    ImportRun.objects.update(undo_until=datetime(2100, 1, 1, tzinfo=UTC))
    assert post(boss, "undo", wrong).state == "undone"
    run = post(
        boss, "start", upload("products", "id,title\nmug,Mug\n", source="mugs", missing="deactivate", force="on")
    )
    assert "deactivated" not in run.counts
    assert set(Product.objects.active().values_list("product_id", flat=True)) == {"tea", "mug"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DownloadError("No answer."), "No answer."),
        ("a,b\n1,2\n", "match its columns"),
        ("id,title,price\ntea,Tea,x\npot,Pot,y\nmug,Mug,2\n", "more than half"),
    ],
)
def test_failed_feed_changes_nothing_and_is_tried_again_within_the_hour(
    serve: Callable[..., None], answer: str | Exception, reason: str
) -> None:
    serve(answer)
    feed = make_feed()
    assert fetch_feed(feed=feed, at=NOW) is None
    feed.refresh_from_db()
    assert reason in feed.error
    assert feed.due_at == NOW + timedelta(hours=1)
    assert not Product.objects.exists()
    serve(FEED)
    assert fetch_feed(feed=feed, at=NOW + timedelta(hours=1)) is not None
    assert feed.error == ""


def test_only_due_and_enabled_feeds_are_fetched(serve: Callable[..., None]) -> None:
    serve(FEED)
    make_feed()
    make_feed(source="later", due_at=NOW + timedelta(minutes=1))
    make_feed(source="off", is_enabled=False)
    assert fetch_due_feeds(at=NOW) == 1
    assert ScheduledFeed.objects.get(source="shop").due_at == NOW + timedelta(days=1)


def test_a_feed_that_fails_unexpectedly_stops_no_other_and_is_tried_again_within_the_hour(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(FEED)
    broken = make_feed(source="broken", due_at=NOW - timedelta(hours=1))
    make_feed()
    original = feeds.create_feed_run

    def create_run(feed: ScheduledFeed, **options: Any) -> ImportRun:
        if feed.source == "broken":
            raise KeyError("price")
        return original(feed, **options)

    monkeypatch.setattr(feeds, "create_feed_run", create_run)
    with pytest.raises(KeyError, match="price"):
        fetch_due_feeds(at=NOW)
    assert Product.objects.exists()
    broken.refresh_from_db()
    assert (broken.error, broken.due_at) == ("KeyError: 'price'", NOW + timedelta(hours=1))


def test_what_a_user_changes_while_a_feed_is_fetched_stays(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(FEED)
    original = feeds.import_feed_run

    def fetch_while(change: Callable[[], object]) -> ImportRun | None:
        def import_run(run: ImportRun, **options: Any) -> ImportRun:
            change()
            return original(run, **options)

        monkeypatch.setattr(feeds, "import_feed_run", import_run)
        return fetch_feed(feed=ScheduledFeed.objects.get(), at=NOW)

    feed = make_feed()
    stored = ScheduledFeed.objects.filter(pk=feed.pk)
    assert fetch_while(lambda: stored.update(is_enabled=False, interval_hours=1))
    feed = stored.get()
    assert (feed.is_enabled, feed.due_at, feed.last_run is not None) == (False, NOW + timedelta(hours=1), True)
    stored.update(content_hash="", etag="")
    assert fetch_while(lambda: stored.update(url=f"{URL}?2", due_at=None))
    assert (stored.get().due_at, stored.get().content_hash) == (None, ""), "the new URL is fetched soon"
    assert fetch_while(lambda: stored.delete())
    assert not stored.exists()
    feed.etag = feed.content_hash = ""
    assert feeds.download_and_import(feed, at=NOW) is None, "a deleted feed is not imported"


def test_feed_is_created_and_deleted_in_the_back_office(
    boss: Client, serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(FEED)
    data = {"url": "http://shop.example/feed.csv", "source": "shop", "interval_hours": "24", "is_enabled": "on"}
    assert "must begin with https" in boss.post(reverse("imports:new-feed"), data).content.decode()
    assert boss.post(reverse("imports:new-feed"), {**data, "url": URL}).status_code == 302
    feed = ScheduledFeed.objects.get()
    monkeypatch.setattr(tasks.fetch_one_feed, "delay", tasks.fetch_one_feed)
    boss.post(reverse("imports:fetch-feed", args=[feed.pk]))
    assert Product.objects.exists()
    page = boss.get(reverse("imports:feeds")).content.decode()
    assert URL in page
    assert boss.get(reverse("imports:feed", args=[feed.pk])).status_code == 200
    boss.post(reverse("imports:delete-feed", args=[feed.pk]))
    assert not ScheduledFeed.objects.exists()
    assert Product.objects.exists()


@pytest.mark.parametrize("step", ["check_run", "import_run"])
def test_run_of_a_killed_fetch_has_failed_and_the_next_fetch_imports_the_feed(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    serve(FEED)
    feed = make_feed()
    with monkeypatch.context() as patched:
        patched.setattr(feeds.runs, step, kill)
        with pytest.raises(KeyboardInterrupt):
            fetch_feed(feed=feed, at=NOW)
    run = ImportRun.objects.get()
    with hold_lock_elsewhere(feeds.name_feed_lock(feed.pk)):
        tasks.resume_imports()
    run.refresh_from_db()
    assert run.is_running, "a process fetches the feed"
    tasks.resume_imports()
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "The process stopped before the import finished.")
    again = fetch_feed(feed=feed, at=NOW)
    assert again is not None
    assert (again.state, again.created) == ("imported", 1)
    tasks.resume_imports()
    again.refresh_from_db()
    assert again.state == "imported"


def kill(**options: Any) -> None:
    """End like a killed process: nothing is recorded."""
    raise KeyboardInterrupt
