"""Funnels: twenty hand-made people, each trap once, and random logs against a brute-force reference."""

from datetime import date, timedelta
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from customers.analytics.backoffice.people.conditions import build_condition
from customers.analytics.backoffice.results.funnel import describe_funnel
from customers.analytics.backoffice.results.view import ResultContext
from customers.analytics.expressions.breakdowns import Breakdown, GroupKey
from customers.analytics.expressions.matching import EventMatch, PropertyFilter
from customers.analytics.expressions.parameters import ParameterError, dump_parameters, parse_parameters
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.questions.funnel import (
    Exclusion,
    FunnelParameters,
    FunnelSelection,
    build_attempts,
    run_funnel,
    select_funnel_people,
)
from tests.customers.analytics.event_logs import DAYS, START, Happening, fetch_ids, log, make_tables, match

MINUTE = 60_000_000
# v: view, a: add, o: order, x: the exclusion, z: something else; a dot is a minute without an event
PEOPLE = {
    1: "vao",  # straight through
    2: "va",  # stops after adding
    3: "v",  # stops after viewing
    4: "ao",  # never views
    5: "v(ao)",  # adds and orders at the same time: no order after adding
    6: "(va)o",  # views and adds at the same time: no adding after viewing
    7: "vvvao",  # a repeated step
    8: "vazzo",  # other events between
    9: "v..........vao",  # the best attempt is not the first
    10: "va.........o",  # ordered one minute after the end of the window
    11: "va........o",  # ordered at the end of the window
    12: "vaxo",  # the exclusion between the last two steps
    13: "vxao",  # the exclusion between the first two
    14: "xvao",  # the exclusion before the first step
    15: "vaxvao",  # a later attempt without the exclusion
    16: "vaox",  # the exclusion after the last step
    17: "ova",  # in another order
    18: "vav.ao",  # two attempts that overlap
    19: "vao..........vao",  # two complete attempts: the first one counts
    20: "v(xa)o",  # the exclusion at the time of a step: not strictly between two steps
}
TEN_MINUTES = 600


@pytest.fixture(scope="module")
def tables() -> AnalyticsTables:
    return make_tables(
        chain.from_iterable(log(person, text) for person, text in PEOPLE.items()),
        labels={person: "even" for person in PEOPLE if person % 2 == 0},
        members=[1, 2, 3],
    )


def make_funnel(**changes: Any) -> FunnelParameters:
    return FunnelParameters(**{**DAYS, "steps": match("v", "a", "o"), "window_seconds": TEN_MINUTES, **changes})


def list_people(tables: AnalyticsTables, parameters: FunnelParameters, step: int, **selection: Any) -> list[int]:
    return fetch_ids(tables, select_funnel_people(tables, parameters, FunnelSelection(step=step, **selection)))


def test_an_ordered_funnel_counts_the_best_attempt_of_each_person(tables: AnalyticsTables) -> None:
    result = run_funnel(tables, make_funnel())
    assert [step.people for step in result.steps] == [19, 17, 13]
    assert [step.dropped for step in result.steps] == [0, 2, 4]
    assert list_people(tables, make_funnel(), 3) == [1, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20]
    assert list_people(tables, make_funnel(), 2, is_dropped=True) == [3, 6]
    assert list_people(tables, make_funnel(), 3, is_dropped=True) == [2, 5, 10, 17]
    # from the latest start before each order; the last class ends with the window, which 11 needs
    assert result.median_seconds == 120
    assert {time.low_seconds: time.people for time in result.times if time.people} == {60: 13}


def test_an_exclusion_removes_attempts_in_which_it_happens_strictly_between_two_steps(tables: AnalyticsTables) -> None:
    anywhere = make_funnel(exclusions=(Exclusion(event=EventMatch(name="x")),))
    assert list_people(tables, anywhere, 3) == [1, 7, 8, 9, 11, 14, 15, 16, 18, 19, 20]
    assert list_people(tables, anywhere, 2, is_dropped=True) == [3, 6, 13]
    late = make_funnel(exclusions=(Exclusion(event=EventMatch(name="x"), after_step=2),))
    assert list_people(tables, late, 3) == [1, 7, 8, 9, 11, 13, 14, 15, 16, 18, 19, 20]


def test_in_a_strict_funnel_no_other_event_happens_in_between(tables: AnalyticsTables) -> None:
    # 9, 11 and 18 wait without an event; 20 adds at the time of another event, which is not after it
    assert list_people(tables, make_funnel(order="strict"), 3) == [1, 7, 9, 11, 14, 15, 16, 18, 19]


def test_a_funnel_in_any_order_needs_all_steps_within_one_window(tables: AnalyticsTables) -> None:
    reached = list_people(tables, make_funnel(order="any"), 3)
    assert reached == [1, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    excluded = make_funnel(order="any", exclusions=(Exclusion(event=EventMatch(name="x")),))
    assert set(reached) - set(list_people(tables, excluded, 3)) == {12, 13, 20}


# days from the start of the data, March 2; the question ends with March 31, so that the days 29 and 30 are the last one and the next
LATE_PEOPLE = {
    1: [(29, "v"), (29.1, "a"), (29.2, "o")],  # within the days
    2: [(29, "v"), (31, "a"), (33, "o")],  # continues after the days
    3: [(29, "v"), (31, "a"), (35.5, "o")],  # orders after the end of the window
    4: [(31, "v"), (31.1, "a"), (31.2, "o")],  # starts after the days
    5: [(29, "v"), (31, "v"), (31.1, "a"), (31.2, "o")],  # starts within them, and again
    6: [(20, "v"), (21, "a"), (29.3, "o")],  # too late
    7: [(29, "a"), (31, "v"), (32, "o")],  # the first step in another order
}


def make_late_tables(**settings: Any) -> AnalyticsTables:
    return make_tables(
        [Happening(person, name, day * 24 * 60) for person, events in LATE_PEOPLE.items() for day, name in events],
        **settings,
    )


def test_an_attempt_starts_within_the_days_and_can_continue_after_them() -> None:
    tables = make_late_tables()
    funnel = make_funnel(window_seconds=5 * 86_400)
    assert [list_people(tables, funnel, step) for step in (1, 2, 3)] == [[1, 2, 3, 5, 6], [1, 2, 3, 5, 6], [1, 2, 5]]
    strict = make_funnel(window_seconds=5 * 86_400, order="strict")
    # after the days, 5 views again before adding
    assert [list_people(tables, strict, step) for step in (1, 2, 3)] == [[1, 2, 3, 5, 6], [1, 2, 3, 6], [1, 2]]
    unordered = make_funnel(window_seconds=5 * 86_400, order="any")
    assert list_people(tables, unordered, 3) == [1, 2, 5, 7]
    assert list_people(tables, unordered, 1) == [1, 2, 3, 5, 6, 7]
    starts = {row["customer_id"]: row["started_at"] for row in tables.fetch(build_attempts(tables, unordered))}
    assert all(start < tables.get_bounds(unordered)[1] for start in starts.values())


def test_people_whose_window_is_not_over_are_counted() -> None:
    funnel = make_funnel(window_seconds=5 * 86_400)
    assert run_funnel(make_late_tables(), funnel).recent == 0
    # on April 3 at noon, all who started on March 31 at noon have two more days; 1 has ordered, and 5 since
    early = run_funnel(make_late_tables(as_of=START + timedelta(days=32)), funnel)
    assert ([step.people for step in early.steps], early.recent) == ([5, 5, 2], 2)
    context = ResultContext("funnel", funnel, {}, START)
    assert "2 of the others can still convert, because their conversion window is still open." in describe_funnel(
        early, context
    )
    assert "can still" not in describe_funnel(run_funnel(make_late_tables(), funnel), context)
    assert run_funnel(make_late_tables(as_of=START + timedelta(days=34)), funnel).recent == 1, "at the last moment"
    assert run_funnel(make_late_tables(as_of=START + timedelta(days=34, seconds=1)), funnel).recent == 0


def test_a_condition_describes_the_second_step_only_until_today() -> None:
    funnel = make_funnel(
        steps=(EventMatch(meaning="view"), EventMatch(meaning="cart")), window_seconds=86_400, until=date(2026, 3, 10)
    )
    first, second = FunnelSelection(step=1), FunnelSelection(step=2)
    today, tomorrow = funnel.until, funnel.until + timedelta(days=1)
    assert build_condition("funnel", funnel, second, today=today)
    assert build_condition("funnel", funnel, first, today=tomorrow)
    assert build_condition("funnel", funnel, second, today=tomorrow) is None, "carts of the next day count, too"


def test_a_breakdown_splits_people_by_their_property_and_lists_each_group(tables: AnalyticsTables) -> None:
    split = make_funnel(breakdown=Breakdown(kind="customer", name="stage"))
    groups = {group.group: group.people for group in run_funnel(tables, split).groups}
    assert groups == {GroupKey(label="even"): (9, 8, 6), GroupKey(label=None): (10, 9, 7)}
    assert list_people(tables, split, 3, group=GroupKey(label="even")) == [8, 12, 14, 16, 18, 20]
    members = make_funnel(breakdown=Breakdown(kind="segment", name="vip"))
    assert {group.group.label: group.people[0] for group in run_funnel(tables, members).groups} == {
        "member": 3,
        "not_member": 16,
    }
    assert [step.people for step in run_funnel(tables, make_funnel(segment="vip")).steps] == [3, 2, 1]


def test_a_breakdown_by_an_event_property_takes_it_from_the_first_step_of_the_attempt() -> None:
    device = '{{"device model": "{}", "price": {}}}'.format
    tables = make_tables(
        [
            Happening(1, "v", 0, device("A", 5)),
            Happening(1, "v", 30, device("B", 50)),
            Happening(1, "a", 31),
            Happening(2, "v", 0, device("A", 50)),
            Happening(3, "v", 0),
        ]
    )
    parameters = make_funnel(steps=match("v", "a"), breakdown=Breakdown(name="device model", limit=1))
    groups = {group.group: group.people for group in run_funnel(tables, parameters).groups}
    assert groups == {
        GroupKey(label="A"): (1, 0),
        GroupKey(label=None): (1, 0),
        GroupKey(is_other=True): (1, 1),
    }
    assert list_people(tables, parameters, 2, group=GroupKey(is_other=True)) == [1]
    dear = EventMatch(name="v", filters=(PropertyFilter(property="price", op="gt", value=10),))
    assert [step.people for step in run_funnel(tables, make_funnel(steps=(dear, EventMatch(name="a")))).steps] == [2, 1]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"steps": [{"name": "v"}]}, "steps"),
        ({"window_seconds": 0}, "window_seconds"),
        ({"order": "sideways"}, "order"),
        ({"until": "2026-02-01"}, "until"),
        ({"since": "yesterday"}, "since"),
        ({"colour": "red"}, "colour"),
        ({"steps": [{"name": "v"}, {"name": "a", "meaning": "cart"}]}, "steps[1].meaning"),
        ({"exclusions": [{"event": {"name": "x"}, "after_step": 3}]}, "exclusions[0]"),
        ({"breakdown": {"kind": "customer", "name": "shoe size"}}, "breakdown.name"),
    ],
)
def test_an_invalid_parameter_is_named(content: dict[str, Any], field: str) -> None:
    valid = dump_parameters(make_funnel())
    with pytest.raises(ParameterError) as error:
        parse_parameters(FunnelParameters, valid | content)
    assert error.value.field == field
    assert parse_parameters(FunnelParameters, valid) == make_funnel()


def find_attempts(events: list[Happening], parameters: FunnelParameters) -> dict[int, tuple[int, int]]:
    """Return step → (start, end) of one person by trying all chains of events: earliest end, then latest start."""
    moments = [(event.name, round(event.minute * MINUTE)) for event in sorted(events, key=lambda event: event.minute)]
    names = [step.name for step in parameters.steps]
    excluded = [moment for name, moment in moments if name in {x.event.name for x in parameters.exclusions}]
    chains = [[moment] for name, moment in moments if name == names[0]]
    attempts: dict[int, tuple[int, int]] = {}
    for step in range(1, len(names) + 1):
        if step > 1:
            chains = [
                [*path, moment]
                for path in chains
                for name, moment in moments
                if name == names[step - 1]
                and path[-1] < moment <= path[0] + parameters.window
                and not any(path[-1] < other < moment for other in excluded)
            ]
        if not chains:
            break
        end = min(path[-1] for path in chains)
        attempts[step] = (max(path[0] for path in chains if path[-1] == end), end)
    return attempts


def find_unordered(events: list[Happening], parameters: FunnelParameters) -> int:
    """Return the largest number of steps between two events within the window."""
    names = {step.name for step in parameters.steps}
    excluded = {x.event.name for x in parameters.exclusions}
    best = 0
    for first in events:
        for last in events:
            if first.minute <= last.minute <= first.minute + parameters.window / MINUTE and not any(
                event.name in excluded and first.minute < event.minute < last.minute for event in events
            ):
                inside = {event.name for event in events if first.minute <= event.minute <= last.minute}
                best = max(best, len(inside & names))
    return best


def find_strict(events: list[Happening], parameters: FunnelParameters) -> int:
    """Return the furthest step over runs of events that follow each other; events are sorted by time, then ID."""
    ordered = sorted(events, key=lambda event: event.minute)
    best = 0
    for start in range(len(ordered)):
        for step, parameter in enumerate(parameters.steps):
            if start + step >= len(ordered) or ordered[start + step].name != parameter.name:
                break
            minute = ordered[start + step].minute
            if step and minute <= ordered[start + step - 1].minute:
                break
            if minute - ordered[start].minute > parameters.window / MINUTE:
                break
            best = max(best, step + 1)
    return best


LOGS = st.lists(
    st.lists(st.tuples(st.sampled_from("vvaaoxz"), st.integers(0, 14)), max_size=9), min_size=25, max_size=25
)
ORDERS = st.sampled_from([("ordered", False), ("ordered", True), ("any", False), ("any", True), ("strict", False)])


@settings(max_examples=15, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(logs=LOGS, order=ORDERS, steps=st.sampled_from(["vao", "vav", "vvo"]), window=st.integers(2, 12))
def test_random_logs_give_what_trying_all_attempts_gives(
    logs: list[list[tuple[str, int]]], order: tuple[str, bool], steps: str, window: int
) -> None:
    exclusions = (Exclusion(event=EventMatch(name="x")),) if order[1] else ()
    steps = "vao" if order[0] == "any" else steps
    parameters = make_funnel(steps=match(*steps), order=order[0], exclusions=exclusions, window_seconds=window * 60)
    people = {person: [Happening(person, name, minute) for name, minute in log] for person, log in enumerate(logs)}
    tables = make_tables(event for events in people.values() for event in events)
    rows = tables.fetch(build_attempts(tables, parameters))
    reached = {
        person: max((row["step"] for row in rows if row["customer_id"] == person), default=0) for person in people
    }
    if order[0] == "ordered":
        expected = {person: find_attempts(events, parameters) for person, events in people.items()}
        assert reached == {person: max(attempts, default=0) for person, attempts in expected.items()}
        durations = {(row["customer_id"], row["step"]): row["ended_at"] - row["started_at"] for row in rows}
        assert durations == {
            (person, step): end - start
            for person, attempts in expected.items()
            for step, (start, end) in attempts.items()
        }
    elif order[0] == "any":
        assert reached == {person: find_unordered(events, parameters) for person, events in people.items()}
    else:
        assert reached == {person: find_strict(events, parameters) for person, events in people.items()}
