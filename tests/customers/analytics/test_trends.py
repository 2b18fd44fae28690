"""Trends and product performance: known answers, days of the shop when clocks change, and one expression for all engines."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis
import pytest
from ibis.config import Config

from config.foundation.backoffice.date_range import DayRange, parse_date_choice
from customers.analytics.backoffice.results.trends import describe_trends, show_trends
from customers.analytics.backoffice.results.view import ResultContext
from customers.analytics.expressions.breakdowns import Breakdown, GroupKey
from customers.analytics.expressions.formulas import compute_formula, parse_formula
from customers.analytics.expressions.matching import EventMatch, PropertyFilter
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period
from customers.analytics.questions import activity, funnel, paths, products, retention, sessions, trends
from customers.analytics.questions.products import (
    ProductParameters,
    ProductSelection,
    run_products,
    select_product_people,
)
from customers.analytics.questions.trends import (
    TrendParameters,
    TrendSelection,
    TrendSeries,
    run_trends,
    select_trend_people,
    shift_back,
)
from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.engines.registry import ENGINES
from customers.warehouse.tables import EVENTS, ORDER_LINES, ORDERS, PRODUCTS
from tests.customers.analytics.event_logs import DAYS, START, Happening, fetch_ids, make_tables, match

CHANGE: dict[str, Any] = {"since": date(2026, 3, 28), "until": date(2026, 3, 30)}


def at(moment: str, customer: int = 1, **fields: Any) -> Happening:
    """Return a visit at a UTC time."""
    instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return Happening(customer, "visit", (instant - START) / timedelta(minutes=1), **fields)


def make_series(**fields: Any) -> TrendSeries:
    return TrendSeries(event=EventMatch(name="visit"), **fields)


VISITS = [
    at("2026-03-27 22:59"),  # 23:59 on the day before
    at("2026-03-27 23:00", value=1),
    at("2026-03-28 22:59", customer=2, value=2),
    at("2026-03-28 23:00", value=3),
    at("2026-03-29 00:30", customer=3, value=5),
    at("2026-03-29 21:59", value=100),  # 23:59 in summer time
    at("2026-03-29 22:00", customer=2),
]


def test_days_are_those_of_the_shop_when_clocks_change() -> None:
    tables = make_tables(VISITS)
    series = (
        make_series(),
        make_series(measure="people"),
        make_series(measure="per_person"),
        make_series(measure="sum"),
    )
    result = run_trends(tables, TrendParameters(**CHANGE, series=series))
    assert [line.values for line in result.lines] == [(2, 3, 1), (2, 2, 1), (1, 1.5, 1), (3, 108, None)]
    assert [line.total for line in result.lines] == [6, 3, 2, 111]
    assert [bucket.start.utcoffset() for bucket in result.buckets] == [timedelta(hours=hours) for hours in (1, 1, 2)]
    hours = run_trends(tables, TrendParameters(**CHANGE, interval=PeriodUnit.HOUR, series=series[:1]))
    assert len(hours.buckets) == 71
    assert sum(hours.lines[0].values) == 6
    point = TrendSelection(start=datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert fetch_ids(tables, select_trend_people(tables, TrendParameters(**CHANGE, series=series), point)) == [1, 3]


def test_measures_of_a_property_leave_out_events_without_it() -> None:
    series = (make_series(measure="average"), make_series(measure="quantile"))
    result = run_trends(make_tables(VISITS), TrendParameters(**CHANGE, series=series, interval=PeriodUnit.MONTH))
    assert [(line.values, line.total) for line in result.lines] == [((22.2,), 22.2), ((3,), 3)]
    assert not result.buckets[0].is_complete, "the days are a part of the month"


def test_the_value_of_orders_in_another_currency_is_left_out() -> None:
    placed = {"placed_at": datetime(2026, 3, 28, 12, tzinfo=UTC), "customer_id": 1}
    orders = [placed | {"total": 10, "currency": "EUR"}, placed | {"total": 9000, "currency": "JPY"}]
    order = EventMatch(name="$order")
    large = EventMatch(name="$order", filters=(PropertyFilter(property="value", op="gt", value=100),))
    series = (TrendSeries(event=order), TrendSeries(event=order, measure="sum"), TrendSeries(event=large))
    result = run_trends(make_tables(orders=orders, currency="EUR"), TrendParameters(**CHANGE, series=series))
    assert [line.total for line in result.lines] == [2, 10, 0]


@pytest.mark.parametrize(
    ("since", "until", "before"),
    [
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("2026-03-01", "2026-03-15", ("2026-02-01", "2026-02-15")),
        ("2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("2026-02-01", "2026-02-28", ("2026-01-01", "2026-01-31")),
        ("2026-02-01", "2026-04-10", ("2025-11-01", "2026-01-10")),
        ("2026-03-02", "2026-03-31", ("2026-01-31", "2026-03-01")),
        ("2026-01-01", "2026-01-15", ("2025-12-01", "2025-12-15")),
        ("2026-01-01", "2026-11-26", ("2025-01-01", "2025-11-26")),
        ("2025-01-01", "2025-02-28", ("2024-01-01", "2024-02-29")),
        ("2026-04-01", "2026-06-30", ("2026-01-01", "2026-03-31")),
        ("2025-01-01", "2026-03-31", ("2023-10-01", "2024-12-31")),
        ("2026-11-04", "2026-12-01", ("2026-10-07", "2026-11-03")),
    ],
)
def test_the_previous_period_is_the_same_for_all_intervals_and_on_the_pages_that_choose_days(
    since: str, until: str, before: tuple[str, str]
) -> None:
    days = {"since": date.fromisoformat(since), "until": date.fromisoformat(until)}
    for interval in (PeriodUnit.HOUR, PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH):
        if interval == PeriodUnit.HOUR and days["until"] - days["since"] > timedelta(days=80):
            continue  # too many hours for a trend
        earlier = shift_back(TrendParameters(**days, series=(make_series(),), interval=interval))
        assert (earlier.since.isoformat(), earlier.until.isoformat()) == before
    choice = parse_date_choice({"since": since, "until": until}, today=date(2026, 12, 2))
    assert choice.compared == DayRange(*map(date.fromisoformat, before))


def test_a_whole_month_by_day_is_compared_with_the_whole_month_before() -> None:
    visits = [at("2026-01-31 12:00"), at("2026-02-01 12:00"), at("2026-02-28 12:00"), at("2026-03-31 12:00")]
    parameters = TrendParameters(
        since=date(2026, 3, 1), until=date(2026, 3, 31), series=(make_series(),), is_compared=True
    )
    for interval in (PeriodUnit.DAY, PeriodUnit.MONTH):
        result = run_trends(make_tables(visits), replace(parameters, interval=interval))
        assert (result.lines[0].total, result.lines[0].previous_total) == (1, 2)
        assert (result.previous_since, result.previous_until) == (date(2026, 2, 1), date(2026, 2, 28))
    uncompared = run_trends(make_tables(visits), replace(parameters, is_compared=False))
    assert (uncompared.previous_since, uncompared.previous_until) == (None, None)


def test_the_page_says_with_which_days_a_trend_is_compared() -> None:
    parameters = TrendParameters(
        since=date(2026, 3, 1), until=date(2026, 3, 31), series=(make_series(),), is_compared=True
    )
    visits = [at("2026-02-01 12:00"), at("2026-02-28 12:00"), at("2026-03-31 12:00")]
    result = run_trends(make_tables(visits), parameters)
    context = ResultContext("trends", parameters, {}, START)
    assert "The previous period is Feb 1, 2026 – Feb 28, 2026." in show_trends(result, context).charts[0].note


def test_a_change_needs_a_positive_previous_period() -> None:
    visits = [at("2026-02-01 12:00"), *(at(f"2026-03-{day} 12:00") for day in (10, 11))]
    parameters = TrendParameters(
        since=date(2026, 3, 1), until=date(2026, 3, 31), series=(make_series(),), is_compared=True
    )
    for formula, text in (("A", "+100.0% compared"), ("A - 2", ""), ("0 - A", "")):
        compared = replace(parameters, formula=formula)
        result = run_trends(make_tables(visits), compared)
        text_of_page = describe_trends(result, ResultContext("trends", compared, {}, START))
        assert "Highest" in text_of_page
        assert text in text_of_page if text else "compared" not in text_of_page


def test_without_events_there_are_no_events_per_person() -> None:
    result = run_trends(make_tables(), TrendParameters(**CHANGE, series=(make_series(measure="per_person"),)))
    assert (result.lines[0].values, result.lines[0].total) == ((None, None, None), None)


def test_formulas_comparisons_and_rolling_means() -> None:
    parameters = TrendParameters(
        **CHANGE,
        series=(make_series(), make_series(measure="people")),
        formula="(a - b) / 2",
        is_compared=True,
        rolling=2,
    )
    line = run_trends(make_tables(VISITS), parameters).lines[0]
    assert line.values == (0, 0.5, 0)
    assert line.rolling == (None, 0.25, 0.25)
    assert line.previous == (0, 0, 0)
    assert (line.total, line.previous_total) == (1.5, 0)
    for formula in ("A / B", "A / 1e-320", "A * 1e999", "1e308 * 10 - 1e308 * 10"):
        assert compute_formula(parse_formula(formula, 2), [1, 0]) is None
    for formula in ("A +", "C", "A ** 2", "__import__('os')", "A if B else A"):
        with pytest.raises(ParameterError):
            parse_formula(formula, 2)


def test_a_breakdown_shows_the_most_frequent_values_and_the_others() -> None:
    tables = make_tables(
        [Happening(customer, "visit", customer, f'{{"city_code": "{code}"}}') for customer, code in enumerate("AAABBC")]
        + [Happening(9, "visit", 9)]
    )
    parameters = TrendParameters(
        **DAYS, series=(make_series(),), breakdown=Breakdown(name="city_code", limit=1), interval=PeriodUnit.MONTH
    )
    lines = {line.group: line.total for line in run_trends(tables, parameters).lines}
    assert lines == {GroupKey(label="A"): 3, GroupKey(): 1, GroupKey(is_other=True): 3}
    others = TrendSelection(group=GroupKey(is_other=True))
    assert fetch_ids(tables, select_trend_people(tables, parameters, others)) == [3, 4, 5]


@pytest.mark.parametrize("interval", [PeriodUnit.DAY, PeriodUnit.WEEK, PeriodUnit.MONTH])
def test_every_day_lies_in_the_period_of_its_number(interval: PeriodUnit) -> None:
    for offset in range(0, 3000, 7):
        day = date(2023, 1, 1) + timedelta(days=offset)
        number = number_period(day, interval)
        assert get_period_start(number, interval) <= day < get_period_start(number + 1, interval)


def test_products_are_viewed_added_bought_and_returned() -> None:
    day = datetime(2026, 3, 5, tzinfo=UTC)

    def line(product: str, quantity: int, total: int, customer: int | None, **fields: Any) -> dict[str, Any]:
        return {
            "product_id": product, "category": "Drinks", "quantity": quantity, "total": total, "customer_id": customer,
            "placed_at": day, "order_pk": 1, **fields,
        }  # fmt: skip

    tables = make_tables(
        [
            Happening(1, "Product Viewed", 1, product_ids=("tea",)),
            Happening(2, "view_item", 2, product_ids=("tea", "mug")),
            Happening(1, "Product Added", 3, product_ids=("tea",)),
        ],
        lines=[
            line("tea", 2, 20, 1),
            line("tea", 1, 10, None),
            line("tea", 1, -10, 1, kind="return"),
            line("tea", 5, 50, 2, status="cancelled"),
            line("mug", 1, 8, 3),
        ],
        products=[{"product_id": "tea", "category": "Drinks"}, {"product_id": "mug", "category": "Drinks"}],
        costs={"tea": 4},
    )
    result = run_products(tables, ProductParameters(**DAYS))
    tea, mug = result.rows
    assert (tea.name, tea.viewed, tea.added, tea.bought, tea.returned) == ("tea", 2, 1, 1, 1)
    assert (tea.units, tea.returned_units, tea.revenue, tea.margin) == (3, 1, 20, 12)
    assert (tea.add_rate, tea.return_rate, tea.margin_share) == (0.5, pytest.approx(1 / 3), 0.6)
    assert (mug.name, mug.bought, mug.revenue, mug.margin) == ("mug", 1, 8, None)
    by_category = run_products(tables, ProductParameters(**DAYS, level="category"))
    assert [(row.name, row.viewed, row.bought, row.revenue) for row in by_category.rows] == [("Drinks", 2, 2, 28)]
    lost = ProductSelection(stage="viewed", name="tea", without="bought")
    assert fetch_ids(tables, select_product_people(tables, ProductParameters(**DAYS), lost)) == [2]


def test_rates_of_products_are_shares_of_the_people_who_viewed_them() -> None:
    day = datetime(2026, 3, 5, tzinfo=UTC)
    tables = make_tables(
        [
            Happening(1, "Product Viewed", 1, product_ids=("tea",)),
            Happening(1, "Product Viewed", 2, product_ids=("tea",)),
            Happening(2, "Product Viewed", 2, product_ids=("tea",)),
            Happening(1, "Product Viewed", 3, product_ids=("mug",)),
            # 3 adds without a view
            Happening(2, "Product Added", 4, product_ids=("tea",)),
            Happening(3, "Product Added", 5, product_ids=("tea",)),
        ],
        lines=[
            {
                "product_id": "tea", "quantity": 1, "total": 10, "customer_id": customer, "placed_at": day, "order_pk": number,
            }
            # 1 bought twice after viewing, 3 to 6 and a guest in a store
            for number, customer in enumerate((1, 1, 3, 4, 5, 6, None))
        ],
    )  # fmt: skip
    result = run_products(tables, ProductParameters(**DAYS))
    rows = {row.name: row for row in result.rows}
    tea, mug = rows["tea"], rows["mug"]
    assert (tea.viewed, tea.added, tea.bought, tea.units) == (2, 2, 5, 7)
    assert (tea.add_rate, tea.buy_rate) == (0.5, 0.5)
    assert (mug.viewed, mug.buy_rate) == (1, 0)
    assert (result.total.viewed, result.total.bought, result.total.buy_rate) == (2, 5, 0.5)


def test_the_revenue_and_margin_of_products_leave_out_what_was_refunded() -> None:
    day = datetime(2026, 3, 5, tzinfo=UTC)
    orders: tuple[dict[str, Any], ...] = (
        {"total": 110},
        {"total": 110, "status": "refunded"},
        {"total": 110, "status": "partly_refunded", "refunded": 44},
        {"total": -100, "kind": "return", "status": "refunded", "refunded": 100},
    )
    lines = [
        {"order_pk": number, "product_id": "tea", "quantity": 10, "total": 100, "customer_id": 1, "placed_at": day}
        | {name: order[name] for name in ("kind", "status") if name in order}
        for number, order in enumerate(orders, 1)
    ]
    tables = make_tables(
        orders=[{"customer_id": 1, "placed_at": day, **order} for order in orders], lines=lines, costs={"tea": 4}
    )
    [tea] = run_products(tables, ProductParameters(**DAYS)).rows
    assert (tea.units, tea.returned_units) == (30, 10), "a refund says nothing of goods that came back"
    assert (tea.revenue, tea.covered_revenue, tea.margin) == pytest.approx((60, 60, 36))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("product_id", 8123456789012),
        ("product_id", 8123456789012.0),
        ("product_id", "8123456789012"),
        ("ratio", 0.1234567),
        ("value", 1234567),
    ],
)
def test_numbers_in_conditions_are_compared_with_all_their_digits(name: str, value: str | float) -> None:
    properties = '{"product_id": 8123456789012, "ratio": 0.1234567}'
    visits = [at("2026-03-28 12:00", properties=properties, value=1234567), at("2026-03-28 13:00", properties="{}")]
    for op, wanted in (("eq", value), ("in", (value,))):
        condition = PropertyFilter(property=name, op=op, value=wanted)
        series = (TrendSeries(event=EventMatch(name="visit", filters=(condition,))),)
        assert run_trends(make_tables(visits), TrendParameters(**CHANGE, series=series)).lines[0].total == 1


class SparkOptions(Config):
    treat_nan_as_null: bool = False


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "1e999"])
def test_a_text_that_is_no_finite_number_counts_as_missing(text: str) -> None:
    visits = [at("2026-03-28 12:00", properties=f'{{"discount": "{discount}"}}') for discount in (text, 20, 120)]
    matches = [
        EventMatch(name="visit", filters=(PropertyFilter(property="discount", op=op, value=100),))
        for op in ("gt", "lt")
    ]
    series = (
        *(make_series(measure=measure, property="discount") for measure in ("sum", "average", "quantile")),
        *(TrendSeries(event=one) for one in matches),
    )
    result = run_trends(make_tables(visits), TrendParameters(**CHANGE, series=series))
    assert [line.values[0] for line in result.lines] == [140, 70, 70, 1, 1]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_every_expression_compiles_on_every_engine(engine: WarehouseEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    # the options of Spark's backend exist only where Spark is installed
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())

    def bind(table: Any) -> Any:
        return ibis.table(ibis.schema(table.schema), name=table.name)

    tables = replace(
        make_tables(),
        events=bind(EVENTS),
        orders=bind(ORDERS),
        order_lines=bind(ORDER_LINES),
        products=bind(PRODUCTS),
        engine=engine,
    )
    steps = match("v", "$order")
    days = DAYS
    names = paths.StepNames(("v", "a"))
    path_parameters = paths.PathParameters(**days, anchor=EventMatch(name="v"), events=match("v", "a"))
    breakdown = Breakdown(name="city_code")
    expressions = [
        funnel.build_best_attempts(
            tables, funnel.FunnelParameters(**days, steps=steps, order=order, breakdown=breakdown)
        )
        for order in ("ordered", "strict", "any")
    ]
    expressions += [
        retention.build_returning_people(tables, retention.RetentionParameters(**days, interval=PeriodUnit.MONTH)),
        paths.build_coded_events(tables, path_parameters, names),
        sessions.build_coded_events(tables, sessions.SessionParameters(**days, goal=EventMatch(meaning="purchase"))),
        activity.build_states(tables, activity.ActivityParameters(**days)),
        activity.build_active_days(tables, activity.StickinessParameters(**days)),
        products.build_product_people(tables, products.ProductParameters(**days)),
        trends.build_series(
            tables,
            TrendParameters(**days, series=(make_series(measure="sum"),), breakdown=breakdown),
            make_series(measure="sum", property="price"),
            ["a"],
        ),
    ]
    for expression in expressions:
        assert ibis.to_sql(expression, dialect=engine.dialect)
