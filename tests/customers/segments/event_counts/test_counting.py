"""Events are counted by customer, series and day, exactly once, whatever is late, sent again, merged or interrupted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from catalog.models import Product
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer
from customers.orders.models import Order
from customers.segments.event_counts import counting
from customers.segments.event_counts.counting import (
    recount_events,
    recount_orders,
    recount_pending_events,
    recount_pending_orders,
)
from customers.segments.event_counts.recounting import recount_all, request_recount_of_moved_products
from customers.segments.models import EventCount, EventSeries, PendingEventCount, PendingOrderCount
from tests.customers.processing.event_makers import NOW, order, process, product, send, track
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
Daily = dict[tuple[str, str, str], list[tuple[str, int, str, str]]]


def view(product_id: str, at: datetime = NOW, *, name: str = "Product Viewed", **item: Any) -> dict[str, Any]:
    return track(name, {"product_id": product_id}, timestamp=at.isoformat(), **item)


def read_counts(customer: Customer) -> Daily:
    """Return day, number, first and last time by series."""
    series = {row.pk: (row.meaning, row.about, row.name) for row in EventSeries.objects.all()}
    counts: Daily = {}
    for row in EventCount.objects.filter(customer_id=customer.pk):
        totals = [0, *(total for total, _first, _last in row.counts)]
        counts[series[row.series_id]] = [
            (str(date(1970, 1, 1) + day * DAY), totals[i + 1] - totals[i], format_time(first), format_time(last))
            for i, (day, (_total, first, last)) in enumerate(zip(row.days, row.counts, strict=True))
        ]
    return counts


def format_time(second: int) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second):%H:%M}"


def get_customer(user_id: str = "ada") -> Customer:
    return Customer.objects.get(identifiers__value=user_id)


@pytest.fixture
def tea() -> None:
    make_product("tea", category="Food > Drinks > Tea", brand="Acme")


def test_a_view_counts_for_the_product_its_categories_and_its_brand(tea: None) -> None:
    send(view("tea"))
    process()
    once = [("2026-11-24", 1, "12:00", "12:00")]
    assert read_counts(get_customer()) == {
        ("view", "any", ""): once,
        ("view", "product", "tea"): once,
        ("view", "category", "Food"): once,
        ("view", "category", "Food > Drinks"): once,
        ("view", "category", "Food > Drinks > Tea"): once,
        ("view", "brand", "Acme"): once,
    }


def test_an_event_with_two_products_of_a_category_counts_once_for_the_category(tea: None) -> None:
    make_product("milk", category="Food", brand="Acme")
    send(track("Product Added", {"products": [{"product_id": "tea"}, {"product_id": "milk"}]}))
    process()
    counts = read_counts(get_customer())
    assert {key[1:]: rows[0][1] for key, rows in counts.items()} == {
        ("any", ""): 1, ("product", "tea"): 1, ("product", "milk"): 1, ("brand", "Acme"): 1,
        ("category", "Food"): 1, ("category", "Food > Drinks"): 1, ("category", "Food > Drinks > Tea"): 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "batches", [[[0, 1, 2, 3, 4]], [[0], [1], [2], [3], [4]], [[4, 2], [0, 3], [1]], [[3], [4, 0], [2, 1]]]
)
def test_events_in_any_order_and_any_batches_give_the_same_counts(batches: list[list[int]]) -> None:
    moments = [NOW - 3 * DAY, NOW - 3 * DAY + timedelta(hours=2), NOW - DAY, NOW - DAY - timedelta(hours=1), NOW]
    for batch in batches:
        send(*(view("tea", moments[i], messageId=f"m{i}") for i in batch))
        process()
    expected = [
        ("2026-11-21", 2, "12:00", "14:00"),
        ("2026-11-23", 2, "11:00", "12:00"),
        ("2026-11-24", 1, "12:00", "12:00"),
    ]
    assert read_counts(get_customer()) == {("view", "any", ""): expected, ("view", "product", "tea"): expected}


def test_a_retry_is_not_counted_again() -> None:
    for _ in range(2):
        send(view("tea", messageId="once"))
        process()
    assert read_counts(get_customer())["view", "any", ""][0][1] == 1


def test_events_without_a_counted_meaning_are_left_out() -> None:
    send(track("Whatever"), track("Order Completed", {"order_id": "1"}), {"type": "page", "userId": "ada"})
    process()
    assert {meaning for meaning, _about, _name in read_counts(get_customer())} <= {"purchase"}


def test_the_day_is_that_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    send(view("tea", datetime(2026, 11, 23, 17, tzinfo=UTC)))
    process()
    assert read_counts(get_customer())["view", "any", ""] == [("2026-11-24", 1, "01:00", "01:00")]


def test_a_recount_from_the_stored_events_changes_nothing(tea: None) -> None:
    send(view("tea"), view("tea", NOW - DAY), view("milk", anonymousId="a", name="add_to_cart"))
    process()
    counts = {customer.pk: read_counts(customer) for customer in Customer.objects.all()}
    recount_events(counts)
    assert {customer.pk: read_counts(customer) for customer in Customer.objects.all()} == counts


def test_merging_adds_the_days_up_and_reverting_separates_them_again() -> None:
    send(view("tea", NOW - DAY), view("tea", userId="bob"), view("milk", userId="bob"))
    process()
    ada, bob = get_customer("ada"), get_customer("bob")
    before = read_counts(ada), read_counts(bob)
    [merge_id] = merge_customers(pairs=[(ada.pk, bob.pk)], at=NOW, causes=["test"])
    assert read_counts(bob) == {}
    assert [row[:2] for row in read_counts(ada)["view", "any", ""]] == [("2026-11-23", 1), ("2026-11-24", 2)]
    revert_merge(merge_id=merge_id, at=NOW, by="test")
    assert (read_counts(ada), read_counts(bob)) == before


def test_a_visitor_who_identifies_takes_the_events_along_exactly_once() -> None:
    send(view("tea", NOW - DAY, anonymousId="device"))
    process()
    send(
        view("tea", anonymousId="device"),
        {"type": "identify", "userId": "ada", "anonymousId": "device"},
        view("tea", anonymousId="device", userId="ada"),
    )
    process()
    assert [row[:2] for row in read_counts(get_customer())["view", "any", ""]] == [("2026-11-23", 1), ("2026-11-24", 2)]
    assert EventCount.objects.exclude(customer_id=get_customer().pk).count() == 0


def test_purchases_are_counted_from_orders(tea: None) -> None:
    send(order(products=[product("tea")]), order(order_id="A2", products=[product("tea"), product("milk")]))
    process()
    counts = read_counts(get_customer())
    assert [
        counts[key][0][1]
        for key in [("purchase", "any", ""), ("purchase", "category", "Food"), ("purchase", "product", "milk")]
    ] == [2, 2, 1]
    send(order("Order Cancelled", order_id="A2"))
    process()
    assert [row[1] for row in read_counts(get_customer())["purchase", "any", ""]] == [1]
    assert not PendingOrderCount.objects.exists()


def test_orders_written_by_anybody_are_counted_by_the_job_and_not_by_event_processing() -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    made = make_order(ada, products=[make_product("tea")])
    process()
    assert set(PendingOrderCount.objects.values_list("pk", flat=True)) == {ada.pk}
    assert recount_pending_orders() == 1
    assert read_counts(ada)["purchase", "product", "tea"] == [("2026-11-24", 1, "12:00", "12:00")]
    Order.objects.filter(pk=made.pk).update(customer=bob)
    recount_pending_orders()
    assert read_counts(ada) == {}
    assert read_counts(bob)["purchase", "product", "tea"] == [("2026-11-24", 1, "12:00", "12:00")]
    made.delete()
    recount_pending_orders()
    assert read_counts(bob) == {}
    assert not PendingOrderCount.objects.exists()


def test_an_order_dated_long_before_the_first_day_is_counted_and_holds_up_no_other_customer() -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    for year in (1, 1753):
        make_order(ada, placed_at=datetime(year, 1, 1, 12, tzinfo=UTC))
    make_order(ada)
    make_order(bob)
    assert recount_pending_orders() == 2
    assert [row[:2] for row in read_counts(ada)["purchase", "any", ""]] == [("1880-04-15", 2), ("2026-11-24", 1)]
    assert [row[:2] for row in read_counts(bob)["purchase", "any", ""]] == [("2026-11-24", 1)]


def test_recounting_events_keeps_orders_and_recounting_orders_keeps_events() -> None:
    send(view("tea"), order(products=[product("tea")]))
    process()
    counts = read_counts(get_customer())
    recount_events([get_customer().pk])
    recount_orders([get_customer().pk])
    assert read_counts(get_customer()) == counts
    assert {meaning for meaning, _about, _name in counts} == {"view", "purchase"}


def test_merged_rows_are_equal_to_rows_counted_together() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT segments_merge_days('{1,3}', '{2,3}'),"
            " segments_merge_counts('{1,3}', '{{2,5,6},{3,7,7}}', '{2,3}', '{{4,1,2},{9,6,8}}')"
        )
        assert cursor.fetchone() == ([1, 2, 3], [[2, 5, 6], [6, 1, 2], [12, 6, 8]])


def test_a_product_that_enters_the_catalog_or_moves_is_counted_again(tea: None) -> None:
    send(view("milk"), view("tea"), order(products=[product("tea")]))
    process()
    assert request_recount_of_moved_products() == 0
    milk = make_product("milk", category="Food", brand="Cow")
    Product.objects.filter(product_id="tea").update(category=milk.category)
    assert request_recount_of_moved_products() == 1
    assert (recount_pending_orders(), recount_pending_events()) == (1, 1)
    counts = read_counts(get_customer())
    assert counts["view", "category", "Food"][0][1] == 2
    assert counts["view", "brand", "Cow"][0][1] == 1
    assert counts["purchase", "category", "Food"][0][1] == 1
    assert not {key for key in counts if key[2].startswith("Food > ")}
    assert request_recount_of_moved_products() == 0


def test_an_interrupted_recount_of_a_moved_product_continues_where_it_stopped(
    tea: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "RECOUNT_BATCH_SIZE", 1)
    names = ["ada", "bob", "cai"]
    send(*(view("tea", userId=name) for name in names), view("milk", userId="dan"))
    process()
    Product.objects.filter(product_id="tea").update(category=make_product("pot", category="Dishes").category)
    assert request_recount_of_moved_products() == 3
    assert recount_pending_events(seconds=0) == 1
    assert request_recount_of_moved_products() == 0
    assert (PendingEventCount.objects.count(), PendingOrderCount.objects.count()) == (2, 0)
    assert recount_pending_events() == 2
    for name in names:
        categories = {series for _meaning, about, series in read_counts(get_customer(name)) if about == "category"}
        assert categories == {"Dishes"}


def test_counting_everything_again_changes_nothing(tea: None) -> None:
    send(view("tea"), order(products=[product("tea")]))
    process()
    counts = read_counts(get_customer())
    EventCount.objects.all().delete()
    assert recount_all() == 1
    assert read_counts(get_customer()) == counts
