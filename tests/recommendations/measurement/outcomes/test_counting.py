"""The outcomes of a small shop, counted by hand."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from psycopg import sql

from customers.events.event_taxonomy import Meaning
from customers.identity.models import Customer
from customers.segments.models import EventCount, EventSeries
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import CountedOutcomes, count_outcomes, list_amounts
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import make_moments
from tests.makers import NOON, make_consent, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

WEEK = timedelta(days=7)
DAY = timedelta(days=1)


def make_members(groups: dict[Customer, str], **values: object) -> Members:
    """Return members who all started at noon, for a week; the first one clicked after a day, and has two days to order."""
    statement = sql.SQL(
        "SELECT row.id AS customer_id, row.name AS member_group, %(noon)s::timestamptz AS since, %(noon)s + %(week)s AS until, "
        "CASE WHEN row.id = %(clicker)s THEN tstzmultirange(tstzrange(%(noon)s + interval '1 day', %(noon)s + interval '3 days')) END "
        "AS click_windows, 10.0 AS predicted_value, "
        "ARRAY['part ' || row.name] AS parts FROM unnest(%(ids)s::bigint[], %(names)s::text[]) AS row (id, name)"
    )
    customers = list(groups)
    parameters = {
        "noon": NOON,
        "week": WEEK,
        "ids": [customer.pk for customer in customers],
        "names": list(groups.values()),
        "clicker": customers[0].pk,
    }
    return Members(statement, parameters, **{"has_click": True, "has_predicted_value": True, **values})  # type: ignore[arg-type]


def count(members: Members, **values: object) -> CountedOutcomes:
    return count_outcomes(members, **{"as_of": NOON + 30 * DAY, **values})  # type: ignore[arg-type]


def test_orders_in_the_window_and_before_it_are_counted_for_each_customer() -> None:
    buyer, returner, idle, other = (make_customer() for _ in range(4))
    product = make_product(price=Decimal(50), cost=Decimal(20))
    make_order(buyer, placed_at=NOON, products=[product], quantity=2)
    make_order(buyer, placed_at=NOON + 2 * DAY, products=[product])
    make_order(buyer, placed_at=NOON + WEEK, products=[product])  # after the window
    make_order(buyer, placed_at=NOON - 5 * DAY, products=[product])
    make_order(buyer, placed_at=NOON - 95 * DAY, products=[product])  # before the earlier window
    make_order(buyer, placed_at=NOON + DAY, products=[product], status="cancelled")
    make_order(returner, placed_at=NOON + DAY, products=[product], refunded=Decimal(25), status="partly_refunded")
    make_order(returner, placed_at=NOON + DAY, products=[product], kind="return")
    make_order(other, placed_at=NOON + DAY, products=[product], currency="USD")
    for days in (0, 2):
        make_consent(idle, status="withdrawn", recorded_at=NOON + days * DAY)
    make_consent(buyer, status="withdrawn", recorded_at=NOON - DAY)
    make_consent(buyer, "analytics", status="withdrawn", recorded_at=NOON + DAY)
    members = make_members({buyer: "a", returner: "a", idle: "a", other: "b"})
    counted = count(members)
    # reached, ordered, orders, revenue, margin, returns, earlier orders, earlier revenue, predicted value, withdrew
    expected = [
        [1, 1, 2, 150, 150 - 3 * 20, 0, 1, 50, 10, 0],
        [1, 1, 1, 25 - 50, (25 - 10) - (50 - 20), 2, 0, 0, 10, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 10, 1],
    ]
    a, b = counted.get_group("a"), counted.get_group("b")
    assert a.moments.n == 3
    np.testing.assert_allclose(a.moments.products, make_moments(expected).products)
    np.testing.assert_allclose(a.moments.sums, make_moments(expected).sums)
    assert (b.customers, b.orders, b.revenue) == (1, 1, 0)
    assert (a.clicked, a.orders_after_click, a.revenue_after_click) == (1, 1, 50)
    assert (counted.margin_basis, counted.cost_coverage) == (MarginBasis.COSTS, 1)
    assert list_amounts(members, as_of=NOON + 30 * DAY) == {"a": [-25, 150]}


def test_only_what_has_happened_until_now_counts() -> None:
    customer, late = make_customer(), make_customer()
    product = make_product(price=Decimal(50))
    for days in (1, 3):
        make_order(customer, placed_at=NOON + days * DAY, products=[product])
    counted = count(make_members({customer: "a", late: "b"}), as_of=NOON + 2 * DAY)
    assert (counted.get_group("a").orders, counted.get_group("b").orders) == (1, 0)
    assert not count(make_members({customer: "a"}), as_of=NOON - DAY).parts


def test_a_breakdown_counts_everyone_and_each_part() -> None:
    first, second, third = (make_customer() for _ in range(3))
    make_order(second, placed_at=NOON, products=[make_product(price=Decimal(30))])
    counted = count(make_members({first: "1", second: "2", third: "2"}, has_parts=True))
    assert {
        part: {group: counted.get_group(group, part).customers for group in groups}
        for part, groups in counted.parts.items()
    } == {
        "": {"1": 1, "2": 2},
        "part 1": {"1": 1},
        "part 2": {"2": 2},
    }
    assert counted.get_group("2", "part 2").revenue == counted.get_group("2").revenue == 30
    assert counted.get_group("nobody").customers == 0


def test_the_margin_is_unknown_without_costs_unless_the_shop_has_set_one(settings) -> None:  # type: ignore[no-untyped-def]
    customer = make_customer()
    known, unknown = make_product(price=Decimal(10), cost=Decimal(4)), make_product(price=Decimal(90))
    make_order(customer, placed_at=NOON, products=[known, unknown])
    members = make_members({customer: "a"})
    assert (counted := count(members)).margin_basis == MarginBasis.UNKNOWN
    assert counted.cost_coverage == pytest.approx(0.1)
    settings.VALUE_MARGIN = 0.3
    assert (counted := count(members)).margin_basis == MarginBasis.SETTING
    assert counted.get_group("a").get_sum(OutcomeColumn.MARGIN) == pytest.approx(30)
    make_order(
        customer, placed_at=NOON, products=[known], quantity=90
    )  # most costs are known: the others are estimated
    assert (counted := count(members)).margin_basis == MarginBasis.COSTS
    assert counted.get_group("a").get_sum(OutcomeColumn.MARGIN) == pytest.approx(91 * 6 + 90 * 0.6)
    assert count(make_members({make_customer(): "a"})).margin_basis == MarginBasis.NO_SALES


def test_another_goal_counts_its_events_since_the_start() -> None:
    before, after, later, never = (make_customer() for _ in range(4))
    series = EventSeries.objects.create(meaning="view", about="any", name="")
    day = (NOON.date() - date(1970, 1, 1)).days
    for customer, on, second in ((before, day, 3600), (after, day, 23 * 3600), (later, day + 8, 0)):
        EventCount.objects.create(customer_id=customer.pk, series_id=series.pk, days=[on], counts=[[1, second, second]])
    counted = count(make_members(dict.fromkeys((before, after, later, never), "a")), goal=Meaning.VIEW)
    assert counted.get_group("a").reached == 1


def test_the_counting_is_one_statement(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    members = make_members({make_customer(): "a"})
    with django_assert_max_num_queries(2):  # the shop's currency and time zone are read once per process
        count(members)
