"""A file of orders goes through the wizard: columns, problems, correction, import, undo."""

import bz2
import errno
import gzip
import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from catalog.feeds import product_import
from catalog.models import Product
from config.foundation.number_formats import format_moment
from config.jobs.models import ScheduledRun
from config.schedule import find_job
from customers.identity.models import Customer
from customers.imports import runs, tasks
from customers.imports.models import ImportChange, ImportRun, ImportState
from customers.lifecycle.models import PendingRecount
from customers.orders.imports.loading import staged_load
from customers.orders.models import Order, OrderImport, OrderLine
from tests.customers.imports.wizard_pages import Upload, check_columns, post, show
from tests.makers import make_customer, make_order, make_product
from tests.waiting import hold_lock_elsewhere

pytestmark = pytest.mark.django_db

BROKEN = """Order no;Client mail;Bought on;Article;Qty;Price
1001;ada@example.com;17.05.2026;tea;2;4,50
1002;bob@example.com;18.05.2026;pot;many;19,90
1003;eve@example.com;45.05.2026;tea;1;4,50
"""


def test_columns_are_matched_by_name_and_content(upload: Upload) -> None:
    run = upload("orders", BROKEN, check=False)
    assert run.mapping == {
        "order_id": ["Order no"],
        "email": ["Client mail"],
        "placed_at": ["Bought on"],
        "product_id": ["Article"],
        "quantity": ["Qty"],
        "unit_price": ["Price"],
    }


def test_columns_page_shows_samples_and_names_what_is_missing(boss: Client, upload: Upload) -> None:
    run = upload("orders", "A,B\n1,2026-05-17\n", check=False)
    page = boss.get(reverse("imports:columns", args=[run.pk])).content.decode()
    assert "2026-05-17" in page
    assert "Order ID, Product ID, Quantity, Unit price" in page
    response = boss.post(
        reverse("imports:columns", args=[run.pk]), {"reading": "1", "preset": "native", "column-0": "order_id"}
    )
    assert "Order date, Product ID" in response.content.decode()
    assert ImportRun.objects.get().state == ImportState.UPLOADED


def test_broken_file_is_corrected_in_the_page_and_imported_to_the_end(boss: Client, upload: Upload) -> None:
    run = upload("orders", BROKEN)
    assert (run.state, run.rows, run.created, run.rejected) == ("checked", 3, 1, 2)
    assert not Order.objects.exists()
    page = show(boss, run)
    assert "Not a valid number" in page
    assert 'name="fix-3-Qty" value="many"' in page
    assert "45.05.2026" in page
    run = post(boss, "fix", run, **{"fix-3-Qty": "3", "fix-4-Bought on": "19.05.2026"})
    assert (run.state, run.created, run.rejected) == ("checked", 3, 0)
    run = post(boss, "start", run)
    assert (run.state, run.created, run.rejected) == ("imported", 3, 0)
    assert Order.objects.get(order_id="1002").total == Decimal("59.70")
    page = show(boss, run)
    assert "Undo import" in page
    assert reverse("admin:training_modelversion_changelist") in page, "the next step on the way to recommendations"


def test_a_file_without_a_valid_row_cannot_be_imported(boss: Client, upload: Upload) -> None:
    run = upload("products", "id,title,price\ntea,Tea,cheap\n")
    page = show(boss, run)
    assert "No row of the file can be imported" in page
    assert reverse("imports:start", args=[run.pk]) not in page
    assert post(boss, "start", run).state == "checked"
    again = post(boss, "start", upload("products", "id,title,price\ntea,Tea,4.50\n"))
    assert again.state == "imported"
    unchanged = upload("products", "id,title,price\ntea,Tea,4.50\n")
    assert (unchanged.created, unchanged.unchanged) == (0, 1)
    assert post(boss, "start", unchanged).state == "imported"


def test_problems_stay_in_the_language_of_the_user_after_the_import(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work_in_english(run_id: int, language: str = "") -> None:
        with override("en"):
            tasks.import_file(run_id, language)

    monkeypatch.setattr(tasks.import_file, "delay", work_in_english)
    boss.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    run = upload("products", "id,title,price\ntea,Tea,cheap\npot,Pot,5\n")
    assert "不是有效的价格" in show(boss, run)
    run = post(boss, "start", run)
    assert (run.state, run.rejected) == ("imported", 1)
    assert "不是有效的价格" in show(boss, run)


@pytest.mark.parametrize("source", ["商品库", "my shop", "shop\n"])
def test_a_wrong_source_is_explained(boss: Client, source: str) -> None:
    response = boss.post(
        reverse("imports:new", args=["products"]),
        {"file": SimpleUploadedFile("export.csv", b"id,title\ntea,Tea\n"), "source": f"x{source}x"},
    )
    assert "Use only Latin letters, digits, hyphens and underscores" in response.content.decode()


def test_undo_removes_what_the_import_created_and_restores_what_it_changed(boss: Client, upload: Upload) -> None:
    tea, ada = make_product("tea", title="Green tea"), make_customer("ada", country="FR")
    order = make_order(ada, products=[tea], order_id="1", coupon="OLD")
    before = (order.total, order.coupon, Customer.objects.get().last_seen_at)
    text = (
        "order_id,customer_id,placed_at,product_id,quantity,unit_price,coupon\n"
        "1,ada,2026-11-24T12:00:00Z,tea,7,4.50,NEW\n2,zoe,2026-05-02,pot,1,20,\n"
    )
    run = post(boss, "start", upload("orders", text))
    assert (run.created, run.updated) == (1, 1)
    assert Order.objects.get(order_id="1").coupon == "NEW"
    assert PendingRecount.objects.filter(pk=ada.pk).delete()[0] == 1
    run = post(boss, "undo", run)
    assert run.state == "undone"
    assert PendingRecount.objects.filter(pk=ada.pk).exists()
    order.refresh_from_db()
    assert (order.total, order.coupon, Customer.objects.get().last_seen_at) == before
    assert OrderLine.objects.get().quantity == 1
    assert list(Product.objects.values_list("product_id", flat=True)) == ["tea"]
    assert not ImportChange.objects.exists()


def test_the_check_counts_the_products_that_stay_inactive(boss: Client, upload: Upload) -> None:
    make_product("tea", is_active=False)
    run = upload("products", "product_id,title\ntea,Green tea\npot,Pot\n")
    assert (run.updated, run.counts) == (1, {"inactive": 1})
    assert "Products that are inactive and stay hidden: 1" in show(boss, run)
    run = post(boss, "start", run)
    assert (run.updated, run.counts) == (1, {"inactive": 1})


def test_undo_removes_a_large_import(boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large import builds the keys again and disables triggers that would record the same twice."""
    monkeypatch.setattr(staged_load, "MIN_LINES_FOR_REBUILD", 1)
    header = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n"
    run = post(boss, "start", upload("orders", header + "1,ada,2026-05-01,tea,1,4.50\n1,ada,2026-05-01,pot,1,20\n"))
    assert OrderLine.objects.count() == 2
    assert post(boss, "undo", run).state == "undone"
    assert not Order.objects.exists()
    assert not OrderLine.objects.exists()
    assert not Product.objects.exists()


def test_undone_prices_count_as_changed_and_the_earlier_import_can_be_undone_too(boss: Client, upload: Upload) -> None:
    make_product("tea", price=Decimal("4.00"))
    text = "id,title,price\ntea,tea,4.50 EUR\n"
    first, second = (post(boss, "start", upload("products", text.replace("4.50", price))) for price in ("4.50", "5.00"))
    for run, price in ((second, Decimal("4.50")), (first, Decimal("4.00"))):
        imported_at = Product.objects.get().updated_at
        assert post(boss, "undo", run).state == "undone"
        product = Product.objects.get()
        assert product.price == price
        assert product.updated_at > imported_at


def test_undo_is_refused_when_later_data_changed_an_order(boss: Client, upload: Upload) -> None:
    text = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n1,ada,2026-05-01,tea,1,4.50\n"
    run = post(boss, "start", upload("orders", text))
    post(boss, "start", upload("orders", text.replace("4.50", "5.50")))
    run = post(boss, "undo", run)
    assert run.state == "imported"
    assert "1 of its orders were changed or used by later data" in show(boss, run)
    assert Order.objects.get().total == Decimal("5.50")


def test_undo_keeps_products_that_later_orders_need(boss: Client, upload: Upload) -> None:
    header = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n"
    first = post(boss, "start", upload("orders", header + "1,ada,2026-05-01,tea,1,4.50\n"))
    post(boss, "start", upload("orders", header + "2,bob,2026-05-02,tea,1,4.50\n"))
    assert post(boss, "undo", first).state == "undone"
    assert list(Order.objects.values_list("order_id", flat=True)) == ["2"]
    assert Product.objects.filter(product_id="tea").exists()


def test_undo_ends_after_thirty_days(boss: Client, upload: Upload) -> None:
    text = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n1,ada,2026-05-01,tea,1,4.50\n"
    run = post(boss, "start", upload("orders", text))
    ImportRun.objects.update(undo_until=run.started_at - timedelta(days=1))
    run.refresh_from_db()
    assert "Undo import" not in show(boss, run)
    assert post(boss, "undo", run).state == "imported"


def test_cancelled_import_changes_nothing(boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n1,ada,2026-05-01,tea,1,4.50\n"
    run = upload("orders", text)
    begin = runs.begin

    def begin_and_cancel(run: ImportRun, *args: object, **kwargs: object) -> bool:
        has_begun = begin(run, *args, **kwargs)  # type: ignore[arg-type]
        runs.request_cancel(run)
        return has_begun

    monkeypatch.setattr(runs, "begin", begin_and_cancel)
    run = post(boss, "start", run)
    assert run.state == "cancelled"
    assert "Nothing was changed" in show(boss, run)
    assert not Order.objects.exists()
    assert not ImportChange.objects.exists()


def test_cancelled_import_in_batches_removes_what_it_has_written(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_import, "BATCH", 1)
    make_product("tea", title="Old title")
    run = upload("products", "id,title\ntea,New title\npot,Pot\nmug,Mug\n")
    assert runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,))
    runs.request_cancel(run)
    assert runs.import_run(run_id=run.pk, at=run.started_at).state == "cancelled"
    assert list(Product.objects.values_list("product_id", "title")) == [("tea", "Old title")]


def test_a_waiting_import_shows_no_results_and_is_cancelled_immediately(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("products", "id,title,price\ntea,Tea,4.50\npot,Pot,cheap\n")
    assert (run.created, run.rejected) == (1, 1)
    assert list_results(boss) == ["–", "–", "–"]
    with monkeypatch.context() as patch:
        patch.setattr(tasks.import_file, "delay", lambda pk, language: None)  # no worker
        assert post(boss, "start", run).state == "importing"
    assert list_results(boss) == ["–", "–", "–"]
    run = post(boss, "cancel", run)
    assert run.state == "cancelled"
    assert "Nothing was changed" in show(boss, run)
    assert runs.import_run(run_id=run.pk, at=run.started_at).state == "cancelled"  # the task that was left
    assert not Product.objects.exists()
    run = post(boss, "start", run)
    assert (run.state, list_results(boss)) == ("imported", ["1", "0", "1"])


def test_a_check_that_waits_is_cancelled_immediately(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.check_file, "delay", lambda pk, language: None)
    monkeypatch.setattr(type(runs.UPLOADS), "is_large", lambda self, run: True)
    run = upload("products", "id,title\ntea,Tea\n")
    assert run.state == "checking"
    response = boss.post(reverse("imports:cancel", args=[run.pk]), follow=True)
    assert "The import was canceled." in response.text
    run.refresh_from_db()
    assert run.state == "uploaded"


def test_an_import_that_a_worker_has_begun_is_shown_as_being_cancelled(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("products", "id,title\ntea,Tea\n")
    monkeypatch.setattr(tasks.import_file, "delay", lambda pk, language: None)
    post(boss, "start", run)
    with hold_lock_elsewhere(f"imports.run:{run.pk}"):
        assert post(boss, "cancel", run).state == "importing"
        assert "Canceling" in show(boss, run)
        assert reverse("imports:cancel", args=[run.pk]) not in show(boss, run)
        assert "Canceling" in boss.get(reverse("imports:list")).text


def test_a_waiting_import_names_the_jobs_that_run(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("products", "id,title\ntea,Tea\n")
    monkeypatch.setattr(tasks.import_file, "delay", lambda pk, language: None)
    post(boss, "start", run)
    assert "Now running" not in show(boss, run)
    started_at = timezone.now()
    for task, days, status in (
        ("recommendations.training.tasks.train_nightly", 0, "running"),
        ("customers.segments.tasks.evaluate_segments", 0, "done"),
        ("customers.processing.tasks.process_events", 0, "running"),  # of the other queue
        ("customers.feedback.tasks.score_new_reviews", 2, "running"),  # its process was killed
    ):
        ScheduledRun.objects.create(task=task, status=status, started_at=started_at - timedelta(days=days))
    title = find_job("recommendations.training.tasks.train_nightly").title  # type: ignore[union-attr]
    assert f"Now running: {title} (since {format_moment(started_at)})." in show(boss, run)


def list_results(client: Client) -> list[str]:
    """Return what the list of imports shows as new, updated and rejected for its only import."""
    [row] = client.get(reverse("imports:list")).context["table"].rows
    return [str(cell.text) for cell in row[4:7]]


def test_unexpected_error_is_shown_and_the_import_can_be_repeated(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = upload("products", "id,title\npot,Pot\n")
    with monkeypatch.context() as patch:
        patch.setattr(product_import, "write_products", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            post(boss, "start", run)
    assert "ZeroDivisionError" in show(boss, run)
    assert post(boss, "start", run).state == "imported"


def test_the_error_of_a_check_names_the_file_as_the_user_did(boss: Client, upload: Upload) -> None:
    events = upload("events", "date,event\n2026-01-01,view\n", name="views.csv")
    assert events.error.startswith("views.csv starts with 'date,event', which is neither JSON Lines nor")
    assert "--" not in events.error, "the page has no options of the command"
    columns = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n"
    run = upload("orders", f'{columns}1,ada,2026-05-01,tea,1,4.50\n"2,ada\n3,ada\n', name="all.csv")
    assert run.error == OrderImport.objects.get().error == "all.csv, line 3: unclosed quotation mark."


def test_second_start_of_a_finished_import_does_nothing(boss: Client, upload: Upload) -> None:
    text = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n1,ada,2026-05-01,tea,1,4.50\n"
    run = post(boss, "start", upload("orders", text))
    runs.import_run(run_id=run.pk, at=run.started_at)
    # the process was killed after the orders were stored, before the run was: the next attempt only reports
    ImportRun.objects.update(state=ImportState.IMPORTING, created=0)
    again = runs.import_run(run_id=run.pk, at=run.started_at)
    assert (again.state, again.created) == ("imported", 1)
    assert Order.objects.count() == 1
    assert "nothing is undone" in boss.get(reverse("imports:undo", args=[run.pk])).content.decode()
    assert post(boss, "undo", again).state == "undone"
    assert not Order.objects.exists()


def test_columns_are_remembered_for_the_next_file_of_the_source(boss: Client, upload: Upload) -> None:
    header = "A,B,C,D,E,F,note\n"
    run = upload("orders", header + "1,ada,2026-05-01,tea,1,4.50,x\n", check=False)
    names = {
        "A": "order_id",
        "B": "customer_id",
        "C": "placed_at",
        "D": "product_id",
        "E": "quantity",
        "F": "unit_price",
    }
    check_columns(boss, run, columns=names, timezone="Asia/Shanghai")
    later = upload("orders", header + "2,bob,2026-05-02,tea,1,4.50,x\n", check=False)
    assert later.mapping == {field: [column] for column, field in names.items()}
    page = boss.get(reverse("imports:columns", args=[later.pk]))
    assert page.context["options"]["timezone"].value() == "Asia/Shanghai"
    assert (
        upload("orders", header + "3,bob,2026-05-02,tea,1,4.50,x\n", check=False, source="other").mapping
        != later.mapping
    )


@pytest.mark.parametrize(
    ("encoding", "city"), [("utf-8-sig", "Zürich"), ("windows-1252", "Zürich"), ("gb18030", "上海龙井茶叶专卖店")]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_are_recognized(
    boss: Client, upload: Upload, encoding: str, city: str, delimiter: str
) -> None:
    rows = [
        ["order_id", "customer_id", "placed_at", "product_id", "product_title", "quantity", "unit_price"],
        ["1", "ada", "2026-05-01", "tea", city, "x", "4"],
    ]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    run = upload("orders", text.encode(encoding))
    assert run.rejected == 1
    run = post(boss, "fix", run, **{"fix-2-quantity": "2"})
    run = post(boss, "start", run)
    assert (run.state, run.created) == ("imported", 1)
    assert Product.objects.get().title == city


@pytest.mark.parametrize("text", ["user_id,name\nada,Ada\nbob\n", '{"user_id": "ada", "name": "Ada"}\n{"name": "x"}\n'])
def test_a_gzipped_file_is_corrected_and_imported(boss: Client, upload: Upload, text: str) -> None:
    run = upload("customers", gzip.compress(text.encode()), name="customers.gz")
    assert (run.rows, run.rejected) == (2, 1)
    run = post(boss, "start", run)
    assert (run.state, run.created) == ("imported", 1)
    assert Customer.objects.get().name == "Ada"


@pytest.mark.parametrize("value", ["x" * 200_000, "y" * 200_000 + ","], ids=["one cell", "too many columns"])
def test_a_row_with_a_very_long_cell_is_listed_and_corrected(boss: Client, upload: Upload, value: str) -> None:
    header = "order_id,customer_id,placed_at,product_id,quantity,unit_price"
    run = upload("orders", f"{header}\n{value},ada,2026-05-01,tea,1,4.50\n2,bob,2026-05-01,tea,many,4.50\n")
    assert (run.state, run.rejected) == ("checked", 2)
    page = show(boss, run)
    assert 'name="fix-3-quantity" value="many"' in page
    assert "x" * 1001 not in page, "the page shows the beginning of the value"
    run = post(boss, "fix", run, **{"fix-2-order_id": "1", "fix-3-quantity": "2"})
    assert (run.state, run.rejected) == ("checked", int("," in value))


def test_values_are_masked_without_the_permission_to_see_personal_data(
    boss: Client, client: Client, upload: Upload
) -> None:
    text = "order_id,email,placed_at,product_id,quantity,unit_price\n1,ada@example.com,2026-05-01,tea,x,4\n"
    run = upload("orders", text, check=False)
    user = get_user_model().objects.create_user("clerk", password="x", is_staff=True)
    names = ("view_importrun", "add_order", "change_order")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    page = client.get(reverse("imports:columns", args=[run.pk])).content.decode()
    assert "ada@example.com" not in page
    assert "2026-05-01" in page
    assert client.get(reverse("imports:rejected", args=[run.pk])).status_code == 403


def test_pages_need_permissions(client: Client, boss: Client, upload: Upload) -> None:
    run = upload("orders", BROKEN)
    user = get_user_model().objects.create_user("clerk", password="x", is_staff=True)
    client.force_login(user)
    for name, args in (("list", []), ("new", ["orders"]), ("run", [run.pk]), ("columns", [run.pk])):
        assert client.get(reverse(f"imports:{name}", args=args)).status_code == 403, name
    user.user_permissions.add(Permission.objects.get(codename="view_importrun"))
    assert client.get(reverse("imports:list")).status_code == 200
    assert client.get(reverse("imports:run", args=[run.pk])).status_code == 200
    assert client.get(reverse("imports:new", args=["orders"])).status_code == 403
    for name in ("fix", "start", "cancel", "undo"):
        assert client.post(reverse(f"imports:{name}", args=[run.pk])).status_code == 403, name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The submitted file is empty"),
        (b"PK\x03\x04zip", "x.csv is a workbook or a ZIP archive"),
        (b"PAR1PAR1", "x.csv is a damaged or incomplete Parquet file"),
        (b"a,b\n", "x.csv has a header but no rows"),
        (b"a,b\n1,\0\n", "x.csv, line 2: NUL character"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "x.csv is a damaged or incomplete gzip file"),
    ],
)
def test_unreadable_file_is_refused_with_the_reason_and_not_kept(
    boss: Client, settings: object, content: bytes, reason: str
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    response = boss.post(
        reverse("imports:new", args=["orders"]), {"file": SimpleUploadedFile("x.csv", content), "source": "shop"}
    )
    [error] = response.context["form"].errors["file"]
    assert error.startswith(reason)
    assert not ImportRun.objects.exists()
    assert not list(runs.UPLOADS.path.glob("*"))


@pytest.mark.parametrize(("kind", "compress"), [("customers", gzip.compress), ("events", bz2.compress)])
def test_a_file_that_is_too_large_after_decompression_is_refused_and_not_kept(
    boss: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch, kind: str, compress: Callable[[bytes], bytes]
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    monkeypatch.setattr(runs, "MAX_UNPACKED_BYTES", 1000)
    content = b'{"user_id": "ada", "name": "Ada"}\n' * 30
    file = SimpleUploadedFile("all.jsonl", compress(content))
    response = boss.post(reverse("imports:new", args=[kind]), {"file": file, "source": "shop"})
    assert response.context["form"].errors["file"] == [
        "all.jsonl is larger than 1000\xa0bytes after decompression. Split it, or use the import command on the server."
    ]
    assert not ImportRun.objects.exists()
    assert not list(runs.UPLOADS.path.glob("*"))
    upload(kind, compress(content[:900]), name="all.jsonl", check=False)


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_answers_in_both_languages(boss: Client, upload: Upload, language: str) -> None:
    boss.cookies["django_language"] = language
    run = upload("orders", BROKEN)
    for address in (
        reverse("imports:list"),
        reverse("imports:new", args=["orders"]),
        reverse("imports:columns", args=[run.pk]),
    ):
        assert boss.get(address).status_code == 200
    show(boss, run)


@pytest.mark.parametrize(("language", "text"), [("en", "Price: not valid"), ("zh-hans", "价格：无效")])
def test_problems_are_summed_up_by_field_in_words(boss: Client, upload: Upload, language: str, text: str) -> None:
    run = upload("products", "id,title,price\npot,Pot,cheap\n")
    boss.cookies["django_language"] = language
    page = show(boss, run)
    assert text in page
    assert "bad_price" not in page


def test_problems_of_events_are_explained_in_the_language_of_the_reader(boss: Client, upload: Upload) -> None:
    run = upload("events", '{"type": "track", "event": "Product Viewed"}\n', name="events.jsonl")
    boss.cookies["django_language"] = "zh-hans"
    page = show(boss, run)
    assert "missing_identity" not in page
    assert "send at least one" not in page
    assert reverse("imports:columns", args=[run.pk]) not in page


def test_an_upload_that_cannot_be_stored_names_the_folder_and_what_to_do(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr("config.foundation.uploads.make_private_folder", fail)
    response = boss.post(
        reverse("imports:new", args=["products"]), {"file": SimpleUploadedFile("a.csv", b"id\n1\n"), "source": "shop"}
    )
    [text] = response.context["form"].errors["file"]
    assert f"cannot be stored in {settings.EXPORTS_DIR}/import-uploads: Permission denied." in text
    assert "manage.py doctor" in text
    assert not ImportRun.objects.exists()
