"""The timeline of a customer: all sources, latest first, page by page."""

from datetime import timedelta

import pytest
from django.utils import translation
from pytest_django import DjangoAssertNumQueries

from customers.identity.models import Customer, Identifier
from customers.lifecycle.models import Stage, StageRules, StageTransition
from customers.lifecycle.portrait.timeline import MAX_PAGES, PER_PAGE, build_timeline
from customers.orders.models import Order
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def anna() -> Customer:
    anna, kettle = make_customer("anna"), make_product("kettle", title="Tea kettle")
    make_identifier(anna, "browser", kind=Identifier.Kind.ANONYMOUS_ID)
    make_event(
        at=NOON - 5 * MINUTE, anonymous_id="browser", user_id="", name="Product Viewed", product_ids=["kettle", "gone"]
    )
    make_event(at=NOON - 4 * MINUTE, anonymous_id="browser", user_id="anna", name="Signed In")
    make_event(at=NOON - 3 * MINUTE, anonymous_id="browser", user_id="someone else", name="Not hers")
    make_order(anna, placed_at=NOON - 2 * MINUTE, products=[kettle], order_id="A-1")
    make_order(anna, placed_at=NOON - MINUTE, kind=Order.Kind.RETURN, total=-10, order_id="A-1-R")
    make_order(anna, placed_at=NOON, order_id="later")
    return anna


def make_rules() -> StageRules:
    gaps = {"second_gap_days": 9, "median_gap_days": 9, "active_gap_days": 9, "dormant_gap_days": 19}
    return StageRules.objects.create(version=1, **gaps)


def test_all_entries_before_as_of_are_listed_latest_first(anna: Customer) -> None:
    fields = {"from_stage": Stage.PROSPECT, "to_stage": Stage.NEW, "reason": StageTransition.Reason.FIRST_ORDER}
    StageTransition.objects.create(customer=anna, at=NOON - 2 * MINUTE, rules=make_rules(), **fields)
    timeline = build_timeline(customer_id=anna.pk, as_of=NOON)
    assert [(entry.kind, entry.name) for entry in timeline.entries] == [
        ("return", "A-1-R"),
        ("stage", ""),
        ("order", "A-1"),
        ("event", "Signed In"),
        ("event", "Product Viewed"),
    ]
    assert timeline.entries[-1].titles == ("Tea kettle", "gone")
    with translation.override("zh-hans"):
        assert [entry.label for entry in timeline.entries[-2:]] == ["Signed In", "浏览商品"]
    assert (timeline.page, timeline.more) == (1, False)


def test_pages_neither_lose_nor_repeat_entries_of_equal_time(anna: Customer) -> None:
    for number in range(2 * PER_PAGE):
        make_order(anna, placed_at=NOON - timedelta(days=1), order_id=f"same-{number}")
    pages = [build_timeline(customer_id=anna.pk, as_of=NOON, page=page) for page in (1, 2, 3)]
    assert [page.more for page in pages] == [True, True, False]
    names = [entry.name for page in pages for entry in page.entries]
    assert len(names) == len(set(names)) == 2 * PER_PAGE + 4


@pytest.mark.parametrize(("requested", "expected"), [(0, 1), (-3, 1), (10**9, MAX_PAGES)])
def test_a_page_out_of_range_is_the_nearest_one(anna: Customer, requested: int, expected: int) -> None:
    assert build_timeline(customer_id=anna.pk, as_of=NOON, page=requested).page == expected


def test_the_number_of_queries_is_constant(anna: Customer, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(PER_PAGE):
        make_event(at=NOON - timedelta(hours=number + 1), user_id="anna", product_ids=["kettle"])
    with django_assert_num_queries(5):
        assert build_timeline(customer_id=anna.pk, as_of=NOON).more


def test_a_customer_without_facts_has_an_empty_timeline() -> None:
    assert build_timeline(customer_id=make_customer().pk, as_of=NOON).entries == []
