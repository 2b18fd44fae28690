"""What followed from what was shown, counted by hand and by the task."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from customers.events.models import Event
from customers.orders.models import OrderLine
from recommendations.serving.impressions.attribution import count_performance
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import Impression, PerformanceDay, PerformanceRun
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product, make_source
from tests.recommendations.serving.impressions.shown import shown

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOON + 3 * DAY


def happen(name: str, *products: str, of: str = "r1", at: datetime = NOON + HOUR, **fields: Any) -> None:
    """An event that names a recommendation."""
    fields = {
        "user_id": "ada",
        "received_at": at,
        "occurred_at": at,
        "type": "track",
        "message_id": f"{name}{at}",
        **fields,
    }
    Event.objects.create(
        source=make_source(), name=name, product_ids=list(products), recommendation_id=of, value=None, **fields
    )


def counted(*names: str) -> list[tuple[Any, ...]]:
    return sorted(PerformanceDay.objects.values_list(*names))


def test_every_place_of_an_answer_counts_as_shown_by_the_rank_it_had() -> None:
    insert_entries(
        [shown("r1", products=["a", "b"]), shown("r2", products=["c", "b"]), shown("r3", products=["d"], first_rank=3)]
    )
    count_performance(at=LATER)
    assert counted("position", "shown", "clicked") == [(1, 2, 0), (2, 2, 0), (3, 1, 0)]


def test_day_is_the_shops_own(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    insert_entries([shown("r1", served_at=NOON.replace(hour=15)), shown("r2", served_at=NOON.replace(hour=17))])
    count_performance(at=LATER)
    assert counted("day", "position", "shown") == [
        (date(2026, 11, 24), 1, 1),
        (date(2026, 11, 24), 2, 1),
        (date(2026, 11, 25), 1, 1),
        (date(2026, 11, 25), 2, 1),
    ]


def test_product_of_an_answer_is_clicked_once_however_often_and_by_whatever_event() -> None:
    insert_entries([shown("r1", products=["a", "b", "c"], first_rank=11)])
    happen("Recommendation Clicked", "a")
    happen("product viewed ", "a", at=NOON + 2 * HOUR)
    happen("Product Added", "b")
    happen("view_item", "b", at=NOON + 2 * HOUR)
    count_performance(at=LATER)
    assert counted("position", "shown", "clicked", "carted") == [(11, 1, 1, 0), (12, 1, 1, 1), (13, 1, 0, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Recommendation Viewed"},
        {"name": "Recommendation Dismissed"},
        {"name": "Product Removed"},
        {"products": ["never shown"]},
        {"products": []},
        {"of": "another"},
        {"of": ""},
        {"at": NOON + 8 * DAY},
        {"occurred_at": NOON - HOUR},
        {"type": "page"},
    ],
)
def test_what_is_no_click(wrong: dict[str, Any]) -> None:
    insert_entries([shown("r1", products=["a"])])
    given = {"name": "Recommendation Clicked", "products": ["a"], **wrong}
    happen(given.pop("name"), *given.pop("products"), **given)
    count_performance(at=NOON + 9 * DAY)
    assert counted("shown", "clicked") == [(1, 0)]


def test_line_counts_for_the_last_answer_that_showed_its_product_and_for_no_other() -> None:
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    tea, cake, other = make_product("tea"), make_product("cake", price=Decimal(4)), make_product("other")
    insert_entries(
        [
            shown("r1", products=["tea", "cake"], user_id="ada"),
            shown("r2", products=["x", "tea"], anonymous_id="browser", scenario="cart", served_at=NOON + HOUR),
            shown("r3", products=["tea"], user_id="ada", scenario="after", served_at=NOON + 3 * HOUR),
            shown("r4", products=["tea"], user_id="bob", scenario="bob", served_at=NOON + HOUR),
        ]
    )
    make_order(ada, placed_at=NOON + 2 * HOUR, products=[tea, cake, other], quantity=2)
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
def test_what_is_not_bought_because_of_it(fields: dict[str, Any]) -> None:
    ada = make_customer("ada")
    insert_entries([shown("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[make_product("tea")], **{"placed_at": NOON + HOUR, **fields})
    make_order(None, products=[make_product("other")], placed_at=NOON + HOUR)
    count_performance(at=NOON + 8 * DAY)
    assert not PerformanceDay.objects.filter(bought__gt=0).exists()


def test_window_is_the_settings(settings: Any) -> None:
    settings.RECOMMEND_ATTRIBUTION_DAYS = 1
    ada = make_customer("ada")
    insert_entries([shown("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[make_product("tea")], placed_at=NOON + 25 * HOUR)
    happen("Product Clicked", "tea", at=NOON + 25 * HOUR)
    count_performance(at=LATER)
    assert counted("clicked", "bought") == [(0, 0)]


def test_revenue_stands_beside_its_currency() -> None:
    ada, tea = make_customer("ada"), make_product("tea")
    insert_entries([shown("r1", products=["tea"], user_id="ada")])
    make_order(ada, products=[tea], placed_at=NOON + HOUR)
    make_order(ada, products=[tea], placed_at=NOON + HOUR, currency="USD")
    count_performance(at=LATER)
    assert counted("currency", "bought", "revenue") == [("", 0, 0), ("EUR", 1, 10), ("USD", 1, 10)]


def test_counting_again_changes_nothing_and_what_came_late_is_added() -> None:
    insert_entries([shown("r1", products=["a"])])
    happen("Product Clicked", "a")
    count_performance(at=LATER)
    before = counted("day", "scenario", "model_version", "strategy", "position", "shown", "clicked")
    count_performance(at=LATER + HOUR)
    assert counted("day", "scenario", "model_version", "strategy", "position", "shown", "clicked") == before
    insert_entries([shown("r2", products=["a"])])
    happen("Product Clicked", "a", of="r2", at=LATER)
    count_performance(at=LATER + 2 * HOUR)
    assert counted("shown", "clicked") == [(2, 2)]


def test_closed_days_stay_as_they_were_counted() -> None:
    insert_entries([shown("r1", products=["a"])])
    count_performance(at=NOON + HOUR)
    count_performance(at=NOON + 30 * DAY)
    Impression.objects.all().delete()
    count_performance(at=NOON + 31 * DAY)
    assert counted("day", "shown") == [(date(2026, 11, 24), 1)]


def test_days_that_nobody_counted_while_they_were_open_are_made_up_for() -> None:
    insert_entries([shown("r1", products=["a"])])
    count_performance(at=NOON + HOUR)
    happen("Product Clicked", "a", at=NOON + 2 * DAY)
    insert_entries([shown("r2", products=["a"], served_at=NOON + 5 * DAY)])
    done = count_performance(at=NOON + 40 * DAY)
    assert done.first_day == date(2026, 11, 15)
    assert counted("day", "clicked") == [(date(2026, 11, 24), 1), (date(2026, 11, 29), 0)]


def test_who_became_known_after_it_was_stored_bought_it() -> None:
    insert_entries([shown("r1", products=["tea"], anonymous_id="browser")])
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    make_order(ada, products=[make_product("tea")], placed_at=NOON + HOUR)
    assert count_performance(at=LATER).looked_up == 1
    assert PerformanceDay.objects.get(currency="EUR").bought == 1


def test_counting_takes_as_many_queries_whatever_there_is(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    insert_entries([shown("r1", products=["a"])])
    with django_assert_num_queries(QUERIES):
        count_performance(at=LATER)
    ada = make_customer("ada")
    products = [make_product(f"p{number}") for number in range(20)]
    insert_entries([shown(f"s{number}", products=["p1", "p2"], user_id="ada") for number in range(50)])
    make_order(ada, products=products, placed_at=NOON + HOUR)
    assert OrderLine.objects.count() == 20
    with django_assert_num_queries(QUERIES - 1):  # the oldest impression is asked for only before the first counting
        count_performance(at=LATER)


QUERIES = 13


def test_runs_are_recorded_with_their_days_and_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_performance(at=NOON).first_day is None
    insert_entries([shown("r1", products=["a"])])
    count_performance(at=LATER)
    PerformanceRun.objects.create(started_at=LATER)
    monkeypatch.setattr(
        "recommendations.serving.impressions.attribution.INSERT_PERFORMANCE_DAYS", "SELECT 1/0 -- %(zone)s"
    )
    with pytest.raises(Exception, match="division by zero"):
        count_performance(at=LATER + HOUR)
    newest, died, done, nothing = PerformanceRun.objects.order_by("-id")
    assert (newest.status, "division by zero" in newest.error) == ("failed", True)
    assert (died.status, died.error) == ("failed", "The process stopped before the run finished.")
    assert (done.status, done.first_day, done.last_day) == ("done", date(2026, 11, 24), date(2026, 11, 27))
    assert (nothing.status, nothing.first_day) == ("done", None)
    assert PerformanceDay.objects.count() == 1, "what was counted before stays when a counting fails"
