"""The four outcomes of a dozen customers, computed by hand: periods of the shop's time zone, segments and channels add up."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.conversion import ConversionSelection, run_conversion, select_conversion_people
from customers.analytics.outcomes.decomposition import RevenueFactors, explain_change
from customers.analytics.outcomes.growth import GrowthPeriod, GrowthSelection, run_growth, select_growth_people
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.retention import RepeatSelection, run_repeat_orders, select_repeat_people
from customers.analytics.outcomes.satisfaction import (
    SatisfactionSelection,
    run_satisfaction,
    select_satisfaction_people,
)
from tests.customers.analytics.event_logs import BERLIN, START, Happening, fetch_ids, make_tables

MONTHS: dict[str, Any] = {"since": date(2026, 1, 1), "until": date(2026, 4, 10)}
MEMBERS = (1, 2, 3, 11)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def order(customer: int | None, at: str, total: float, channel: str = "web", **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "placed_at": local(at), "total": total, "channel": channel, **more}


# January: customers 1 to 10 in part; the data begins at the first moment of January
ORDERS = [
    order(1, "2026-01-01 00:00", 100),
    order(1, "2026-01-20 12:00", 50, "store"),
    order(2, "2026-01-05 12:00", 30),
    order(3, "2026-01-06 12:00", 20, "store"),
    order(4, "2026-01-31 23:30", 40),  # in UTC it is January 22:30, in Berlin the last hour of January
    order(1, "2026-02-01 00:10", 60),  # in UTC it is still January
    order(2, "2026-02-10 12:00", 90),
    order(5, "2026-02-11 12:00", 10, "store"),
    order(1, "2026-03-03 12:00", 80),
    order(5, "2026-03-04 12:00", 40, "store"),
    order(6, "2026-03-05 12:00", 30, ""),
    order(None, "2026-03-06 12:00", 500),
    order(7, "2026-03-07 12:00", 999, status="cancelled"),
    order(8, "2026-03-08 12:00", 999, status="refunded"),
    order(1, "2026-03-09 12:00", 30, kind="return"),
    order(6, "2026-04-02 12:00", 25),
]


def make_shop(**more: Any) -> AnalyticsTables:
    return make_tables(orders=ORDERS, members=MEMBERS, as_of=local("2026-04-10 12:00"), **more)


def summarize(periods: tuple[GrowthPeriod, ...]) -> list[tuple[int, int, float]]:
    return [(period.customers, period.orders, period.revenue) for period in periods]


def test_revenue_orders_and_customers_of_each_month_in_the_time_zone_of_the_shop() -> None:
    result = run_growth(make_shop(), OutcomeParameters(**MONTHS))
    (everyone,) = result.groups
    # customer 8 ordered and got the money back, customer 1 returned goods for 30
    assert summarize(everyone.periods) == [(4, 5, 240), (3, 3, 160), (4, 4, 120), (1, 1, 25)]
    assert [period.is_complete for period in everyone.periods] == [True, True, True, False]
    assert result.began_on == date(2026, 1, 1)
    assert result.guest_revenue == 500


def test_a_change_of_revenue_is_split_without_a_rest() -> None:
    (everyone,) = run_growth(make_shop(), OutcomeParameters(**MONTHS)).groups
    january, february, march, april = everyone.periods
    assert january.previous is None  # the data begins with January
    assert april.previous is None  # April is not over
    change = february.previous
    assert change is not None
    assert change.change == -80
    assert change.relative == pytest.approx(-1 / 3)
    # L(160, 240) = 80 / ln(1.5) = 197.3; customers ln(3/4), orders per customer ln((3/3) / (5/4)), order value ln((160/3) / 48)
    assert change.customers == pytest.approx(-56.760, abs=1e-2)
    assert change.orders_per_customer == pytest.approx(-44.026, abs=1e-2)
    assert change.order_value == pytest.approx(20.786, abs=1e-2)
    assert change.customers + change.orders_per_customer + change.order_value == pytest.approx(-80)
    assert february.order_value == pytest.approx(160 / 3)
    assert march.revenue_per_customer == 30


@pytest.mark.parametrize(("now", "before"), [((3, 7, 1e6), (5, 9, 1.0)), ((2, 2, 50.0), (2, 2, 50.0))])
def test_parts_always_add_up(now: tuple[int, int, float], before: tuple[int, int, float]) -> None:
    factors = [RevenueFactors(customers=n, orders=orders, revenue=revenue) for n, orders, revenue in (now, before)]
    change = explain_change(*factors)
    assert change.customers is not None
    assert change.orders_per_customer is not None
    assert change.order_value is not None
    assert change.customers + change.orders_per_customer + change.order_value == pytest.approx(change.change)


def test_a_change_from_nothing_has_no_parts() -> None:
    nothing = RevenueFactors(customers=0, orders=0, revenue=0.0)
    change = explain_change(RevenueFactors(customers=1, orders=1, revenue=5.0), nothing)
    assert (change.change, change.relative, change.customers) == (5.0, None, None)


def test_the_same_period_a_year_before_is_compared() -> None:
    orders = [order(1, "2025-01-01 00:00", 10), order(1, "2025-02-02 12:00", 50), order(2, "2026-02-03 12:00", 75)]
    tables = make_tables(orders=orders, as_of=local("2026-03-01 00:00"))
    (everyone,) = run_growth(tables, OutcomeParameters(since=date(2026, 2, 1), until=date(2026, 3, 1))).groups
    february = everyone.periods[0]
    assert february.is_complete
    assert february.year is not None
    assert february.year.relative == 0.5
    assert len(everyone.periods) == 2
    assert not everyone.periods[1].is_complete


def test_channels_and_segments_add_up_to_everyone() -> None:
    for split in ({"split": "channel", "limit": 1}, {"split": "segment", "segment": "vip"}):
        everyone, *groups = run_growth(make_shop(), OutcomeParameters(**MONTHS, **split)).groups
        for number, period in enumerate(everyone.periods):
            assert sum(group.periods[number].revenue for group in groups) == pytest.approx(period.revenue)
            assert sum(group.periods[number].orders for group in groups) == period.orders
    keys = [group.group for group in groups]
    assert keys == [GroupKey(label="member"), GroupKey(label="not_member")]
    assert summarize(groups[0].periods)[0] == (3, 4, 200)  # customer 4 is no member


def test_the_largest_channels_have_a_name_and_the_others_are_one_group() -> None:
    groups = run_growth(make_shop(), OutcomeParameters(**MONTHS, split="channel", limit=1)).groups[1:]
    assert [group.group for group in groups] == [
        GroupKey(label="web"),
        GroupKey(label=None),  # the order of customer 6 has no channel
        GroupKey(is_other=True),
    ]
    parameters = OutcomeParameters(**MONTHS, split="channel", limit=1)
    selection = GrowthSelection(period=date(2026, 1, 15), group=GroupKey(is_other=True))
    assert fetch_ids(make_shop(), select_growth_people(make_shop(), parameters, selection)) == [1, 3]


def test_a_segment_limits_everything_to_its_members() -> None:
    (members,) = run_growth(make_shop(), OutcomeParameters(**MONTHS, segment="vip")).groups
    assert summarize(members.periods) == [(3, 4, 200), (2, 2, 150), (1, 1, 50), (0, 0, 0)]


def test_customers_who_order_in_the_next_month_are_retained() -> None:
    result = run_repeat_orders(make_shop(), OutcomeParameters(**MONTHS))
    (everyone,) = result.groups
    figures = [(period.customers_before, period.returned) for period in everyone.periods]
    # January: 1, 2, 3, 4 → February: 1, 2, 5 → March: 1, 5, 6 and 8, whose order was refunded → April: 6
    assert figures == [(0, 0), (4, 2), (3, 2), (4, 1)]
    assert [period.is_complete for period in everyone.periods] == [False, True, True, False]
    assert everyone.periods[2].share == pytest.approx(2 / 3)
    assert everyone.periods[2].previous_share == 0.5
    parameters = OutcomeParameters(**MONTHS)
    lost = RepeatSelection(period=date(2026, 2, 1), is_lost=True)
    assert fetch_ids(make_shop(), select_repeat_people(make_shop(), parameters, lost)) == [3, 4]
    again = replace(lost, is_lost=False)
    assert fetch_ids(make_shop(), select_repeat_people(make_shop(), parameters, again)) == [1, 2]


def test_retention_of_channels_adds_up_as_each_customer_counts_in_that_of_the_last_order() -> None:
    everyone, *groups = run_repeat_orders(make_shop(), OutcomeParameters(**MONTHS, split="channel")).groups
    for number, period in enumerate(everyone.periods):
        assert sum(group.periods[number].customers_before for group in groups) == period.customers_before
        assert sum(group.periods[number].returned for group in groups) == period.returned
    by_name = {group.group.label: group.periods[1] for group in groups if group.group}
    # customer 1 ordered last in the store
    assert (by_name["store"].customers_before, by_name["store"].returned) == (2, 1)


def test_quarters_and_weeks_are_whole_periods() -> None:
    (quarters,) = run_growth(make_shop(), OutcomeParameters(**MONTHS, unit=PeriodUnit.QUARTER)).groups
    assert [(period.start.isoformat(), period.revenue) for period in quarters.periods] == [
        ("2026-01-01", 520),
        ("2026-04-01", 25),
    ]
    week = OutcomeParameters(since=date(2026, 2, 3), until=date(2026, 2, 3), unit=PeriodUnit.WEEK)
    (weeks,) = run_growth(make_shop(), week).groups
    assert [(period.start, period.revenue) for period in weeks.periods] == [(date(2026, 2, 2), 0)]


def test_days_of_any_number_are_one_period_and_each_customer_counts_once() -> None:
    days = OutcomeParameters(since=date(2026, 1, 20), until=date(2026, 3, 4), is_one_period=True)
    (everyone,) = run_growth(make_shop(), days).groups
    assert summarize(everyone.periods) == [(4, 7, 370)]
    assert (everyone.periods[0].start, everyone.periods[0].is_complete) == (date(2026, 1, 20), True)
    assert (everyone.periods[0].previous, everyone.periods[0].year) == (
        None,
        None,
    )  # the data begins within the period before
    (retention,) = run_repeat_orders(make_shop(), days).groups
    assert [(period.customers_before, period.returned) for period in retention.periods] == [(3, 2)]
    tables = make_shop()
    people = select_growth_people(tables, days, GrowthSelection(period=date(2026, 2, 1)))
    assert fetch_ids(tables, people) == [1, 2, 4, 5]
    until_now = OutcomeParameters(since=date(2026, 3, 9), until=date(2026, 4, 10), is_one_period=True)
    (now,) = run_growth(make_shop(), until_now).groups
    assert summarize(now.periods) == [(1, 1, -5)]
    assert not now.periods[0].is_complete


def test_clocks_that_go_forward_move_no_order_into_another_day() -> None:
    # 2026-03-29 has 23 hours in Berlin: 23:30 is still March 29, a Sunday
    orders = [order(1, "2026-03-23 00:00", 1), order(1, "2026-03-29 23:30", 2), order(1, "2026-03-30 00:00", 4)]
    tables = make_tables(orders=orders, as_of=local("2026-04-06 00:00"))
    parameters = OutcomeParameters(since=date(2026, 3, 23), until=date(2026, 4, 5), unit=PeriodUnit.WEEK)
    assert [period.revenue for period in run_growth(tables, parameters).groups[0].periods] == [3, 4]


def visit(customer: int, at: str, source: str = "") -> list[Happening]:
    minute = (local(at).astimezone(UTC) - START) / timedelta(minutes=1)
    properties = f'{{"$traffic_source": "{source}"}}' if source else "{}"
    return [Happening(customer, "Page", minute, properties), Happening(customer, "Page", minute + 5)]


VISITS = [
    *visit(1, "2026-02-01 00:00", "newsletter"),  # orders at 00:10
    *visit(2, "2026-02-09 12:00"),
    *visit(2, "2026-02-10 11:30", "google"),  # orders at 12:00, 25 minutes after the last event
    *visit(2, "2026-02-10 12:10"),  # after the order
    *visit(9, "2026-02-12 12:00", "google"),
    *visit(5, "2026-03-04 10:00"),  # orders two hours later
    *visit(6, "2026-03-05 11:58"),
]


def test_visits_with_an_order_and_visitors_who_order() -> None:
    shop = make_shop(events=VISITS)
    result = run_conversion(shop, OutcomeParameters(**MONTHS))
    (everyone,) = result.groups
    figures = [(row.visits, row.converted, row.visitors, row.buyers) for row in everyone.periods]
    # 11:30 and 12:10 of customer 2 are one visit: 11:35 to 12:10 are 35 minutes, so they are two
    assert figures == [(0, 0, 0, 0), (5, 2, 3, 2), (2, 1, 2, 1), (0, 0, 0, 0)]
    assert [row.is_complete for row in everyone.periods] == [False, True, True, False]
    # in February, one of three orders was placed without a visit
    assert (everyone.periods[1].orders, everyone.periods[1].tracked_orders) == (3, 2)
    february = ConversionSelection(period=date(2026, 2, 1))
    parameters = OutcomeParameters(**MONTHS)
    assert fetch_ids(shop, select_conversion_people(shop, parameters, february)) == [1, 2]
    assert fetch_ids(shop, select_conversion_people(shop, parameters, replace(february, is_converted=False))) == [9]


def test_conversion_by_traffic_source_adds_up() -> None:
    shop = make_shop(events=VISITS)
    everyone, *groups = run_conversion(shop, OutcomeParameters(**MONTHS, split="channel")).groups
    for number, period in enumerate(everyone.periods):
        assert sum(group.periods[number].visits for group in groups) == period.visits
        assert sum(group.periods[number].converted for group in groups) == period.converted
    named = {group.group.label: group.periods[1] for group in groups if group.group}
    assert (named["google"].visits, named["google"].converted) == (2, 1)
    assert (named["newsletter"].visits, named["newsletter"].converted) == (1, 1)


FEEDBACK = [
    (1, local("2026-02-28 23:30"), "review", 5),
    (2, local("2026-02-10 13:00"), "review", 4),
    (3, local("2026-02-11 12:00"), "review", 2),
    (None, local("2026-02-12 12:00"), "review", 5),
    (1, local("2026-02-13 12:00"), "nps", 10),
    (2, local("2026-02-14 12:00"), "nps", 9),
    (3, local("2026-02-15 12:00"), "nps", 3),
    (5, local("2026-02-16 12:00"), "nps", 8),
    (1, local("2026-02-17 12:00"), "csat", 5),
    (3, local("2026-02-18 12:00"), "csat", 3),
    (1, local("2026-03-01 00:00"), "review", 1),
]


def test_ratings_nps_and_csat_of_a_month() -> None:
    shop = make_shop(feedback=FEEDBACK)
    (everyone,) = run_satisfaction(shop, OutcomeParameters(**MONTHS)).groups
    february, march = everyone.periods[1:3]
    assert (february.rating.answers, february.rating.value) == (4, 4.0)
    # with half a review of 1★ and of 5★: mean 3.8, s² = 10.8 / 4, t·s/√n = 2.776·√(2.7 / 5) = 2.040
    assert february.rating.low == pytest.approx(3.8 - 2.040, abs=1e-3)
    assert february.rating.high == 5.0
    assert (february.nps.answers, february.nps.value) == (4, 25.0)
    assert (february.csat.answers, february.csat.value) == (2, 0.5)
    assert (march.rating.answers, march.rating.value, march.rating.low) == (1, 1.0, None)
    assert march.nps.value is None
    low = SatisfactionSelection(period=date(2026, 2, 1), is_low=True)
    parameters = OutcomeParameters(**MONTHS)
    assert fetch_ids(shop, select_satisfaction_people(shop, parameters, low)) == [3]
    assert fetch_ids(shop, select_satisfaction_people(shop, parameters, replace(low, is_low=False))) == [1, 2, 3]


def test_feedback_counts_in_the_channel_of_the_last_order_before_it() -> None:
    shop = make_shop(feedback=FEEDBACK)
    everyone, *groups = run_satisfaction(shop, OutcomeParameters(**MONTHS, split="channel")).groups
    named = {group.group.label: group.periods[1].rating.answers for group in groups if group.group}
    assert named == {"web": 2, "store": 1, None: 1}  # an unknown author has no channel
    assert sum(named.values()) == everyone.periods[1].rating.answers


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": PeriodUnit.HOUR},
        {"split": "product"},
        {"split": "segment"},
        {"since": date(2020, 1, 1), "unit": PeriodUnit.WEEK},
    ],
)
def test_wrong_parameters_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        OutcomeParameters(**{**MONTHS, **wrong})


def test_people_of_another_period_are_rejected() -> None:
    with pytest.raises(ParameterError):
        select_growth_people(make_shop(), OutcomeParameters(**MONTHS), GrowthSelection(period=date(2025, 1, 1)))


def test_without_data_nothing_is_complete() -> None:
    tables, parameters = make_tables(as_of=local("2026-04-10 12:00")), OutcomeParameters(**MONTHS)
    assert [period.is_complete for period in run_growth(tables, parameters).groups[0].periods] == [False] * 4
    assert run_repeat_orders(tables, parameters).groups[0].periods[1].share is None
    assert run_conversion(tables, parameters).groups[0].periods[1].rate is None
    assert run_satisfaction(tables, parameters).groups[0].periods[1].nps.value is None
