"""Retention, activity and stickiness: known answers in the time zone of the shop, and a brute-force reference."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from customers.analytics.backoffice.results.retention import describe_retention, list_retention_rows
from customers.analytics.backoffice.results.view import ResultContext
from customers.analytics.expressions.matching import EventMatch, PropertyFilter
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.questions.activity import (
    ActivityParameters,
    ActivitySelection,
    StickinessParameters,
    StickinessSelection,
    run_activity,
    run_stickiness,
    select_activity_people,
    select_stickiness_people,
)
from customers.analytics.questions.retention import (
    RetentionCell,
    RetentionCohort,
    RetentionMean,
    RetentionParameters,
    RetentionResult,
    RetentionSelection,
    run_retention,
    select_retention_people,
)
from tests.customers.analytics.event_logs import BERLIN, START, Happening, fetch_ids, make_tables

DAYS: dict[str, Any] = {"since": date(2026, 3, 23), "until": date(2026, 4, 5)}


def at(customer: int, moment: str, name: str = "visit") -> Happening:
    """Return an event at a time in Berlin, such as 2026-03-28 23:30."""
    local = datetime.fromisoformat(moment).replace(tzinfo=BERLIN)
    return Happening(customer, name, (local.astimezone(UTC) - START) / timedelta(minutes=1))


# clocks go forward on 29 March 2026, a Sunday
VISITS = [
    at(1, "2026-03-23 00:10"),
    at(1, "2026-03-24 23:50"),
    at(1, "2026-03-30 00:05"),
    at(2, "2026-03-24 12:00"),
    at(2, "2026-03-29 23:30"),
    at(3, "2026-03-01 12:00"),
    at(3, "2026-03-29 01:59"),
    at(3, "2026-03-29 03:00"),
    at(4, "2026-03-31 08:00"),
    at(4, "2026-04-05 23:59"),
]


def test_cohorts_are_of_the_first_event_in_all_data_and_days_follow_the_shop() -> None:
    tables = make_tables(VISITS, as_of=datetime(2026, 4, 3, tzinfo=UTC))
    parameters = RetentionParameters(**DAYS, interval=PeriodUnit.WEEK, periods=2)
    result = run_retention(tables, parameters)
    assert [(cohort.start.isoformat(), cohort.people) for cohort in result.cohorts] == [
        ("2026-03-23", 2),
        ("2026-03-30", 1),
    ]
    cells = result.cohorts[0].cells
    # the event of 29 March, 23:30, is still in the first week; the second one has not ended, the third has not begun
    assert [(cell.people, cell.people_or_after, cell.is_complete) for cell in cells] == [(2, 2, True), (1, 1, False)]
    assert [(mean.cohorts, mean.share) for mean in result.means] == [(1, 1.0), (0, None), (0, None)]
    assert fetch_ids(
        tables, select_retention_people(tables, parameters, RetentionSelection(cohort=date(2026, 3, 25)))
    ) == [1, 2]
    lost = RetentionSelection(cohort=date(2026, 3, 23), offset=1, is_lost=True)
    assert fetch_ids(tables, select_retention_people(tables, parameters, lost)) == [2]


def test_on_or_after_gives_all_cohorts_the_same_time_and_averages_only_those_that_had_it() -> None:
    # 1 and 2 start on the 30th: 1 returns on the third day, 2 a day too late; 3 starts on 4 April and has had one day
    visits = [(1, "03-30"), (1, "04-01"), (1, "04-02"), (2, "03-30"), (2, "04-03"), (3, "04-04"), (3, "04-05")]
    tables = make_tables([at(customer, f"2026-{day} 12:00") for customer, day in visits])
    parameters = RetentionParameters(**DAYS, interval=PeriodUnit.DAY, periods=3)
    result = run_retention(tables, parameters)
    cells = [[(cell.people_or_after, cell.is_complete_or_after) for cell in row.cells] for row in result.cohorts]
    assert cells == [[(2, True), (1, True), (1, True), (1, True)], [(1, False), (1, False)]]
    assert [mean.share for mean in result.means] == [1, 1 / 3, 1 / 2, 1 / 2]
    assert [mean.share_or_after for mean in result.means] == [1, 1 / 2, 1 / 2, 1 / 2]
    later = RetentionSelection(cohort=date(2026, 3, 30), offset=1, is_or_after=True)
    assert fetch_ids(tables, select_retention_people(tables, parameters, later)) == [1]
    assert "50.0% of the people" in describe_retention(result, context_of(parameters))
    longer = RetentionParameters(**DAYS, interval=PeriodUnit.DAY, periods=7)
    assert "No cohort has had 7 complete periods" in describe_retention(
        run_retention(tables, longer), context_of(longer)
    )


def context_of(parameters: RetentionParameters) -> ResultContext:
    return ResultContext("retention", parameters, {"measure": "or_after"}, START)


def test_a_person_is_in_each_cohort_in_which_they_start_again() -> None:
    tables = make_tables(VISITS)
    parameters = RetentionParameters(**DAYS, cohort="each_time", interval=PeriodUnit.WEEK, periods=1)
    result = run_retention(tables, parameters)
    assert [cohort.people for cohort in result.cohorts] == [3, 2]
    assert [cell.people for cell in result.cohorts[0].cells] == [3, 1]
    assert result.people == len({visit.customer for visit in VISITS})
    text = describe_retention(result, context_of(parameters))
    assert text.startswith(f"{result.people} people started. Those who started in several periods are in several")


def test_cohorts_of_the_first_order_return_with_revenue() -> None:
    def order(customer: int, day: str, total: int, **fields: Any) -> dict[str, Any]:
        return {
            "customer_id": customer,
            "placed_at": datetime.fromisoformat(f"{day}T12:00+00:00"),
            "total": total,
            **fields,
        }

    orders = [
        order(1, "2026-03-23", 10),
        order(1, "2026-03-30", 20),
        order(1, "2026-03-31", -5, kind="return"),
        order(2, "2026-03-24", 7),
        order(2, "2026-03-30", 9, status="cancelled"),
        order(3, "2026-02-01", 3),
        order(3, "2026-03-24", 3),
    ]
    tables = make_tables(orders=orders)
    parameters = RetentionParameters(
        **DAYS, cohort="first_order", returning=EventMatch(name="$order"), interval=PeriodUnit.WEEK, periods=1
    )
    result = run_retention(tables, parameters)
    assert [cohort.people for cohort in result.cohorts] == [2]
    assert [(cell.people, cell.revenue) for cell in result.cohorts[0].cells] == [(2, 17.0), (1, 15.0)]


def test_the_sentence_has_the_measure_of_the_chart() -> None:
    days: dict[str, Any] = {"since": date(2026, 3, 1), "until": date(2026, 3, 4)}
    parameters = RetentionParameters(**days, interval=PeriodUnit.DAY, periods=2)
    means = [
        RetentionMean(offset=offset, cohorts=1, people=4, share=share, share_or_after=later, revenue_per_person=revenue)
        for offset, share, later, revenue in ((0, 1.0, 1.0, 9.0), (1, 0.25, 0.75, 2.5), (2, 0.5, 0.5, 1.25))
    ]
    result = RetentionResult(as_of=START, people=4, cohorts=(), means=tuple(means))
    texts = {
        "on": ["25.0% of the people who started came back in the first period after the start.", "it was 50.0%"],
        "or_after": [
            "75.0% of the people who started came back in the first period after the start or later.",
            "50.0%",
        ],
        "revenue": ["each person spent €2.50 in the first period", "In period 2 it was €1.25"],
    }
    for measure, parts in texts.items():
        context = ResultContext("retention", parameters, {"measure": measure}, START, currency="EUR")
        sentence = describe_retention(result, context)
        assert all(part in sentence for part in parts), sentence


def test_amounts_in_the_file_have_no_noise_of_binary_fractions() -> None:
    cell = RetentionCell(
        offset=0, people=1, share=1, people_or_after=1, share_or_after=1, revenue=303860.9100000003, is_complete=True
    )
    cohort = RetentionCohort(start=date(2026, 3, 2), people=1, cells=(cell,))
    result = RetentionResult(as_of=START, people=1, cohorts=(cohort,), means=())
    context = ResultContext("retention", RetentionParameters(**DAYS), {}, START)
    assert list(list_retention_rows(result, context))[1][7] == 303860.91


def test_any_event_with_a_condition_is_no_order() -> None:
    """Orders are read, too, because the cohorts are of the first order."""
    orders = [{"customer_id": 1, "placed_at": datetime(2026, 3, 24, 12, tzinfo=UTC), "total": 10, "currency": "EUR"}]
    for filters in ((), (PropertyFilter(property="value", op="gt", value=0),)):
        parameters = RetentionParameters(**DAYS, cohort="first_order", returning=EventMatch(filters=filters), periods=1)
        result = run_retention(make_tables(orders=orders, currency="EUR"), parameters)
        assert [(row.people, row.cells[0].people) for row in result.cohorts] == [(1, 0)]


def test_the_first_cohort_is_of_its_whole_period() -> None:
    orders = [
        {"customer_id": 1, "placed_at": datetime(2026, 3, day, 12, tzinfo=UTC), "total": total}
        for day, total in ((2, 10), (20, 5))
    ]
    days: dict[str, Any] = {"since": date(2026, 3, 15), "until": date(2026, 4, 5)}
    fields: dict[str, Any] = {"interval": PeriodUnit.MONTH, "periods": 1}
    for cohort, start in (("first_order", EventMatch()), ("each_time", EventMatch(name="$order"))):
        parameters = RetentionParameters(**days, **fields, cohort=cohort, start=start)
        result = run_retention(make_tables(orders=orders), parameters)
        [row] = result.cohorts
        assert (row.start, row.people, row.cells[0].revenue) == (date(2026, 3, 1), 1, 15.0)
    visits = make_tables([at(1, "2026-03-02 12:00"), at(2, "2026-03-20 12:00"), at(3, "2026-02-28 12:00")])
    each_time = RetentionParameters(**days, **fields, cohort="each_time")
    assert [row.people for row in run_retention(visits, each_time).cohorts] == [2]
    longest = RetentionParameters(since=date(2016, 3, 31), until=date(2026, 4, 7), cohort="each_time", **fields)
    assert [row.people for row in run_retention(visits, longest).cohorts] == [1, 2]


def test_people_are_new_returning_resurrecting_or_dormant() -> None:
    tables = make_tables(VISITS)
    parameters = ActivityParameters(**DAYS, interval=PeriodUnit.WEEK)
    periods = run_activity(tables, parameters).periods
    assert [(row.new, row.returning, row.resurrecting, row.dormant) for row in periods] == [(2, 0, 1, 0), (1, 1, 0, 2)]
    dormant = ActivitySelection(day=date(2026, 4, 1), state="dormant")
    assert fetch_ids(tables, select_activity_people(tables, parameters, dormant)) == [2, 3]


def test_stickiness_counts_active_days_and_rolling_people() -> None:
    tables = make_tables(VISITS)
    parameters = StickinessParameters(**DAYS)
    result = run_stickiness(tables, parameters)
    assert [(row.days, row.people) for row in result.distribution] == [(1, 2), (2, 3)]
    users = {row.day.isoformat(): (row.daily, row.weekly, row.monthly) for row in result.days}
    assert users["2026-03-23"] == (1, 1, 2)
    assert users["2026-03-29"] == (2, 3, 3)
    assert users["2026-04-05"] == (1, 2, 4)
    assert len(users) == 14
    selection = StickinessSelection(day=date(2026, 3, 25), active_days=2)
    assert fetch_ids(tables, select_stickiness_people(tables, parameters, selection)) == [1, 2]


def count_returns(logs: dict[int, set[int]], starts: dict[int, Iterable[int]]) -> dict[tuple[int, int], int]:
    """Return (cohort day, offset) → people by looking at each person."""
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for person, days in logs.items():
        for cohort in starts[person]:
            for day in days:
                if day >= cohort:
                    counts[cohort, day - cohort] += 1
    return dict(counts)


@settings(max_examples=6, phases=[Phase.generate])
@given(
    logs=st.lists(st.sets(st.integers(0, 13), max_size=6), min_size=20, max_size=20),
    cohort=st.sampled_from(["first_time", "each_time"]),
)
def test_random_logs_give_what_looking_at_each_person_gives(logs: list[set[int]], cohort: str) -> None:
    people = dict(enumerate(logs))
    start = datetime(2026, 3, 23, 12, tzinfo=UTC)
    tables = make_tables(
        Happening(person, "visit", (start + timedelta(days=day) - START) / timedelta(minutes=1))
        for person, days in people.items()
        for day in days
    )
    result = run_retention(tables, RetentionParameters(**DAYS, cohort=cohort, interval=PeriodUnit.DAY, periods=13))
    found = {
        ((row.start - DAYS["since"]).days, cell.offset): cell.people
        for row in result.cohorts
        for cell in row.cells
        if cell.people
    }
    starts = {person: sorted(days)[: 1 if cohort == "first_time" else None] for person, days in people.items()}
    assert found == count_returns(people, starts)
    for row in result.cohorts:
        assert [cell.people_or_after for cell in row.cells] == sorted(
            (cell.people_or_after for cell in row.cells), reverse=True
        )
