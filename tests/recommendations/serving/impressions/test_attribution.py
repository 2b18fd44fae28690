"""Clicks and purchases attributed to impressions, compared with counts by hand."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from config.retention.models import RetentionSetting
from customers.events.models import Event
from customers.orders.models import OrderLine
from recommendations.serving.impressions.attribution import count_performance
from recommendations.serving.impressions.retention import purge_impressions
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import Impression, PerformanceDay, PerformanceRun, ProductPerformanceDay
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product, make_source
from tests.recommendations.serving.impressions.entries import make_entry

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOON + 3 * DAY


def make_event(
    name: str, *products: str, recommendation_id: str = "r1", at: datetime = NOON + HOUR, **fields: Any
) -> None:
    """Store an event that names a recommendation."""
    fields = {
        "user_id": "ada",
        "received_at": at,
        "occurred_at": at,
        "type": "track",
        "message_id": f"{name}{at}",
        **fields,
    }
    Event.objects.create(
        source=make_source(),
        name=name,
        product_ids=list(products),
        recommendation_id=recommendation_id,
        value=None,
        **fields,
    )


def list_days(*names: str) -> list[tuple[Any, ...]]:
    return sorted(PerformanceDay.objects.values_list(*names))


def test_every_position_of_a_response_counts_as_shown_at_its_rank() -> None:
    insert_entries(
        [
            make_entry("r1", products=["a", "b"]),
            make_entry("r2", products=["c", "b"]),
            make_entry("r3", products=["d"], first_rank=3),
        ]
    )
    count_performance(at=LATER)
    assert list_days("position", "shown", "clicked") == [(1, 2, 0), (2, 2, 0), (3, 1, 0)]


def test_days_are_in_the_time_zone_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    insert_entries(
        [make_entry("r1", served_at=NOON.replace(hour=15)), make_entry("r2", served_at=NOON.replace(hour=17))]
    )
    count_performance(at=LATER)
    assert list_days("day", "position", "shown") == [
        (date(2026, 11, 24), 1, 1),
        (date(2026, 11, 24), 2, 1),
        (date(2026, 11, 25), 1, 1),
        (date(2026, 11, 25), 2, 1),
    ]


def test_a_product_of_a_response_counts_as_clicked_once_whatever_the_events() -> None:
    insert_entries([make_entry("r1", products=["a", "b", "c"], first_rank=11)])
    make_event("Recommendation Clicked", "a")
    make_event("product viewed ", "a", at=NOON + 2 * HOUR)
    make_event("Product Added", "b")
    make_event("view_item", "b", at=NOON + 2 * HOUR)
    count_performance(at=LATER)
    assert list_days("position", "shown", "clicked", "carted") == [(11, 1, 1, 0), (12, 1, 1, 1), (13, 1, 0, 0)]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Recommendation Viewed"},
        {"name": "Recommendation Dismissed"},
        {"name": "Product Removed"},
        {"products": ["never shown"]},
        {"products": []},
        {"recommendation_id": "another"},
        {"recommendation_id": ""},
        {"at": NOON + 8 * DAY},
        {"occurred_at": NOON - HOUR},
        {"type": "page"},
    ],
)
def test_other_events_are_not_clicks(fields: dict[str, Any]) -> None:
    insert_entries([make_entry("r1", products=["a"])])
    event = {"name": "Recommendation Clicked", "products": ["a"], **fields}
    make_event(event.pop("name"), *event.pop("products"), **event)
    count_performance(at=NOON + 9 * DAY)
    assert list_days("shown", "clicked") == [(1, 0)]


def test_an_order_line_counts_only_for_the_last_response_with_its_product() -> None:
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    tea, cake, other = make_product("tea"), make_product("cake", price=Decimal(4)), make_product("other")
    insert_entries(
        [
            make_entry("r1", products=["tea", "cake"], user_id="ada"),
            make_entry("r2", products=["x", "tea"], anonymous_id="browser", scenario="cart", served_at=NOON + HOUR),
            make_entry("r3", products=["tea"], user_id="ada", scenario="after", served_at=NOON + 3 * HOUR),
            make_entry("r4", products=["tea"], user_id="bob", scenario="bob", served_at=NOON + HOUR),
        ]
    )
    make_order(ada, placed_at=NOON + 2 * HOUR, products=[tea, cake, other], quantity=2)
    # a line of an exchange that returns the product is no purchase
    make_order(ada, placed_at=NOON + 2 * HOUR, products=[tea], quantity=-1, total=Decimal(30))
    count_performance(at=LATER)
    bought = PerformanceDay.objects.filter(bought__gt=0).order_by("scenario")
    assert list(bought.values_list("scenario", "position", "currency", "bought", "revenue", "shown")) == [
        ("cart", 2, "EUR", 1, Decimal(20), 0),
        ("for-you", 2, "EUR", 1, Decimal(8), 0),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"placed_at": NOON + 7 * DAY + HOUR},
        {"placed_at": NOON - HOUR},
        {"status": "cancelled"},
        {"kind": "return"},
    ],
)
def test_other_orders_are_not_attributed(fields: dict[str, Any]) -> None:
    ada = make_customer("ada")
    insert_entries([make_entry("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[make_product("tea")], **{"placed_at": NOON + HOUR, **fields})
    make_order(None, products=[make_product("other")], placed_at=NOON + HOUR)
    count_performance(at=NOON + 8 * DAY)
    assert not PerformanceDay.objects.filter(bought__gt=0).exists()


def test_the_attribution_window_is_a_setting(settings: Any) -> None:
    settings.RECOMMEND_ATTRIBUTION_DAYS = 1
    ada = make_customer("ada")
    insert_entries([make_entry("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[make_product("tea")], placed_at=NOON + 25 * HOUR)
    make_event("Product Clicked", "tea", at=NOON + 25 * HOUR)
    count_performance(at=LATER)
    assert list_days("clicked", "bought") == [(0, 0)]


def test_revenue_is_counted_per_currency() -> None:
    ada, tea = make_customer("ada"), make_product("tea")
    insert_entries([make_entry("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[tea], placed_at=NOON + HOUR)
    make_order(ada, products=[tea], placed_at=NOON + HOUR, currency="USD")
    count_performance(at=LATER)
    assert list_days("currency", "bought", "revenue") == [("", 0, 0), ("EUR", 1, 10), ("USD", 1, 10)]


def test_a_second_run_changes_nothing_but_adds_late_data() -> None:
    insert_entries([make_entry("r1", products=["a"])])
    make_event("Product Clicked", "a")
    count_performance(at=LATER)
    before = list_days("day", "scenario", "model_version", "strategy", "position", "shown", "clicked")
    count_performance(at=LATER + HOUR)
    assert list_days("day", "scenario", "model_version", "strategy", "position", "shown", "clicked") == before
    insert_entries([make_entry("r2", products=["a"])])
    make_event("Product Clicked", "a", recommendation_id="r2", at=LATER)
    count_performance(at=LATER + 2 * HOUR)
    assert list_days("shown", "clicked") == [(2, 2)]


def test_closed_days_are_not_counted_again() -> None:
    insert_entries([make_entry("r1", products=["a"])])
    count_performance(at=NOON + HOUR)
    count_performance(at=NOON + 30 * DAY)
    Impression.objects.all().delete()
    count_performance(at=NOON + 31 * DAY)
    assert list_days("day", "shown") == [(date(2026, 11, 24), 1)]


def set_retention(days: int, *, at: datetime) -> None:
    RetentionSetting.objects.update_or_create(kind="impressions", defaults={"days": days})
    RetentionSetting.objects.update(changed_at=at)


def test_open_days_whose_impressions_are_deleted_keep_their_figures() -> None:
    set_retention(7, at=NOON - 30 * DAY)
    insert_entries([make_entry("r1", products=["a"]), make_entry("r2", products=["a"], served_at=NOON + 7 * DAY)])
    count_performance(at=NOON + 2 * DAY)
    before = list_days("day", "shown")
    assert before == [(date(2026, 11, 24), 1)]
    purge_impressions(before=NOON + DAY)
    count_performance(at=NOON + 8 * DAY)
    after = [*before, (date(2026, 12, 1), 1)]
    assert list_days("day", "shown") == after
    assert sorted(ProductPerformanceDay.objects.values_list("day", "shown")) == after


def test_days_whose_impressions_were_deleted_before_they_are_kept_for_longer_keep_their_figures() -> None:
    set_retention(7, at=NOON - 30 * DAY)
    insert_entries([make_entry("r1", products=["a"]), make_entry("r2", products=["a"], served_at=NOON + 7 * DAY)])
    count_performance(at=NOON + 2 * DAY)
    purge_impressions(before=NOON + DAY)
    set_retention(400, at=NOON + 8 * DAY)
    count_performance(at=NOON + 8 * DAY + HOUR)
    counted = [(date(2026, 11, 24), 1), (date(2026, 12, 1), 1)]
    assert list_days("day", "shown") == counted
    assert sorted(ProductPerformanceDay.objects.values_list("day", "shown")) == counted


def test_days_missed_while_they_were_open_are_counted_later() -> None:
    insert_entries([make_entry("r1", products=["a"])])
    count_performance(at=NOON + HOUR)
    make_event("Product Clicked", "a", at=NOON + 2 * DAY)
    insert_entries([make_entry("r2", products=["a"], served_at=NOON + 5 * DAY)])
    result = count_performance(at=NOON + 40 * DAY)
    assert result.first_day == date(2026, 11, 15)
    assert list_days("day", "clicked") == [(date(2026, 11, 24), 1), (date(2026, 11, 29), 0)]


def test_a_purchase_is_attributed_to_a_visitor_identified_later() -> None:
    insert_entries([make_entry("r1", products=["tea"], anonymous_id="browser")])
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    make_order(ada, products=[make_product("tea")], placed_at=NOON + HOUR)
    assert count_performance(at=LATER).looked_up == 1
    assert PerformanceDay.objects.get(currency="EUR").bought == 1


def test_an_order_counts_once_in_a_placement_at_its_first_line_even_when_that_day_is_closed() -> None:
    ada = make_customer("ada")
    tea, cake = make_product("tea"), make_product("cake")
    insert_entries(
        [
            make_entry("r1", products=["tea"], user_id="ada"),
            make_entry("r2", products=["cake"], user_id="ada", served_at=NOON + DAY),
            make_entry("r3", products=["jam"], user_id="ada", served_at=NOON + DAY, scenario="cart"),
        ]
    )
    make_order(ada, placed_at=NOON + 2 * DAY, products=[tea, cake])
    count_performance(at=NOON + 3 * DAY)
    expected = [(date(2026, 11, 24), 1, 1), (date(2026, 11, 25), 1, 0)]
    names = ("day", "bought", "orders")
    assert sorted(PerformanceDay.objects.filter(bought__gt=0).values_list(*names)) == expected
    count_performance(at=NOON + 10 * DAY)
    count_performance(at=NOON + 10 * DAY + HOUR)  # counts from November 25 on
    assert sorted(PerformanceDay.objects.filter(bought__gt=0).values_list(*names)) == expected


def test_products_are_counted_once_a_day_until_yesterday() -> None:
    ada, tea = make_customer("ada"), make_product("tea")
    insert_entries(
        [
            make_entry("r1", products=["tea", "cake"], user_id="ada"),
            make_entry("r2", products=["tea"], served_at=NOON + 3 * DAY),
        ]
    )
    make_event("Product Clicked", "tea")
    make_order(ada, placed_at=NOON + 2 * HOUR, products=[tea], quantity=2)
    count_performance(at=LATER)
    names = ("day", "product_id", "currency", "shown", "clicked", "orders", "revenue")
    day = date(2026, 11, 24)
    counted = [(day, "cake", "", 1, 0, 0, 0), (day, "tea", "", 1, 1, 0, 0), (day, "tea", "EUR", 0, 0, 1, 20)]
    assert sorted(ProductPerformanceDay.objects.values_list(*names)) == counted
    make_event("Product Clicked", "cake", at=NOON + 3 * HOUR)
    count_performance(at=LATER + HOUR)
    assert sorted(ProductPerformanceDay.objects.values_list(*names)) == counted, "the products of today were counted"
    count_performance(at=LATER + DAY)
    assert ProductPerformanceDay.objects.get(product_id="cake").clicked == 1
    assert ProductPerformanceDay.objects.filter(day=date(2026, 11, 27)).get().shown == 1


def test_the_number_of_queries_does_not_depend_on_the_data(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    insert_entries([make_entry("r1", products=["a"])])
    with django_assert_num_queries(QUERIES + PRODUCT_QUERIES):
        count_performance(at=LATER)
    ada = make_customer("ada")
    products = [make_product(f"p{number}") for number in range(20)]
    insert_entries([make_entry(f"s{number}", products=["p1", "p2"], user_id="ada") for number in range(50)])
    make_order(ada, products=products, placed_at=NOON + HOUR)
    assert OrderLine.objects.count() == 20
    with django_assert_num_queries(QUERIES - 1):  # only the first run looks for the oldest impression
        count_performance(at=LATER)


QUERIES = 16
PRODUCT_QUERIES = 7  # only in the first run of a day


def test_runs_are_recorded_with_their_days_and_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_performance(at=NOON).first_day is None
    insert_entries([make_entry("r1", products=["a"])])
    count_performance(at=LATER)
    PerformanceRun.objects.create(started_at=LATER)
    monkeypatch.setattr(
        "recommendations.serving.impressions.attribution.INSERT_PERFORMANCE_DAYS", "SELECT 1/0 -- %(zone)s"
    )
    with pytest.raises(Exception, match="division by zero"):
        count_performance(at=LATER + HOUR)
    newest, killed, finished, empty = PerformanceRun.objects.order_by("-id")
    assert (newest.status, "division by zero" in newest.error) == ("failed", True)
    assert (killed.status, killed.error) == ("failed", "The process stopped before the run finished.")
    assert (finished.status, finished.first_day, finished.last_day) == ("done", date(2026, 11, 24), date(2026, 11, 27))
    assert (empty.status, empty.first_day) == ("done", None)
    assert PerformanceDay.objects.count() == 1, "earlier figures stay if a run fails"
