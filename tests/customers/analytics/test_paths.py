"""Paths and sessions: what flows in flows out, funnel and paths agree, and a brute-force reference on random logs."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from customers.analytics.expressions import sorted_events
from customers.analytics.expressions.matching import EventMatch, PropertyFilter
from customers.analytics.expressions.sorted_events import sort_by_customer
from customers.analytics.outcomes.conversion import build_visits
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.questions.funnel import FunnelParameters, run_funnel
from customers.analytics.questions.markov import measure_removal_effects
from customers.analytics.questions.paths import PathParameters, PathResult, PathSelection, run_paths, select_path_people
from customers.analytics.questions.sessions import (
    SessionParameters,
    SessionSelection,
    run_sessions,
    select_session_people,
)
from tests.customers.analytics.event_logs import BERLIN, DAYS, START, Happening, fetch_ids, log, make_tables, match


def make_paths(**changes: Any) -> PathParameters:
    return PathParameters(**{**DAYS, "anchor": EventMatch(name="v"), "levels": 3, **changes})


def list_links(result: PathResult) -> dict[tuple[int, str | None, str | None], int]:
    return {(link.level, link.source, link.target): link.paths for link in result.links}


def check_flows(result: PathResult) -> None:
    """What flows into a step flows on or ends there; what leaves a level arrives on the next one."""
    for node in result.nodes:
        outgoing = sum(link.paths for link in result.links if (link.level, link.source) == (node.level, node.name))
        incoming = sum(link.paths for link in result.links if (link.level + 1, link.target) == (node.level, node.name))
        assert node.paths == node.continued + node.ended
        assert node.continued == outgoing
        assert node.paths == (incoming if node.level else result.paths)


def test_paths_follow_the_first_anchor_of_each_session() -> None:
    # the last session of 1 begins after a pause of 31 minutes; 3 has exactly 30 minutes, which is one session
    events = [
        *log(1, "zvvao"),
        Happening(1, "v", 36),
        *log(2, "vazv"),
        *log(3, "v"),
        Happening(3, "o", 30),
        *log(4, "ao"),
    ]
    tables = make_tables(events)
    result = run_paths(tables, make_paths())
    assert (result.paths, result.people) == (4, 3)
    assert list_links(result) == {
        (0, "v", "a"): 2,
        (0, "v", "o"): 1,
        (1, "a", "o"): 1,
        (1, "a", "z"): 1,
        (2, "z", "v"): 1,
    }
    check_flows(result)
    people = select_path_people(tables, make_paths(), PathSelection(level=0, name="v", is_link=True, next_name="a"))
    assert fetch_ids(tables, people) == [1, 2]
    ended = select_path_people(tables, make_paths(), PathSelection(level=0, name="v", is_ended=True))
    assert fetch_ids(tables, ended) == [1]


def test_paths_can_end_with_the_last_anchor_of_a_session() -> None:
    tables = make_tables([*log(1, "vaozo"), *log(2, "vvo"), *log(3, "va")])
    result = run_paths(tables, make_paths(anchor=EventMatch(name="o"), is_backward=True))
    assert list_links(result) == {
        (0, "o", "z"): 1,
        (0, "o", "v"): 1,
        (1, "z", "o"): 1,
        (2, "o", "a"): 1,
    }
    check_flows(result)


def test_rare_steps_are_other_and_their_people_are_listed() -> None:
    tables = make_tables([*log(1, "va"), *log(2, "va"), *log(3, "vb"), *log(4, "vc"), *log(5, "vbz")])
    result = run_paths(tables, make_paths(top=1))
    assert list_links(result) == {(0, "v", "a"): 2, (0, "v", None): 3, (1, None, "z"): 1}
    check_flows(result)
    other = select_path_people(tables, make_paths(top=1), PathSelection(level=1))
    assert fetch_ids(tables, other) == [3, 4, 5]


def test_hundreds_of_names_have_a_code_each() -> None:
    events = [
        event for person in range(100) for event in (Happening(person, "v", 0), Happening(person, f"page {person}", 1))
    ]
    result = run_paths(make_tables(events), make_paths(top=2))
    assert list_links(result) == {(0, "v", "page 0"): 1, (0, "v", "page 1"): 1, (0, "v", None): 98}
    check_flows(result)


def test_selected_events_are_steps_but_the_pause_is_that_between_all_events() -> None:
    events = [
        Happening(1, "v", 0),
        Happening(1, "z", 20),
        Happening(1, "o", 40),
        Happening(2, "v", 0),
        Happening(2, "o", 40),
    ]
    result = run_paths(make_tables(events), make_paths(events=match("v", "o")))
    assert list_links(result) == {(0, "v", "o"): 1}
    assert result.paths == 2


def test_a_session_over_midnight_and_the_change_of_clocks_is_one() -> None:
    late = datetime(2026, 3, 28, 23, 50, tzinfo=BERLIN).astimezone(UTC)
    minutes = (late - START) / timedelta(minutes=1)
    # 01:50 winter time and 03:10 summer time are 20 minutes apart; between the other two days are 100 minutes
    early = minutes + 120
    events = [
        Happening(1, "v", minutes),
        Happening(1, "a", minutes + 20),
        Happening(1, "v", early),
        Happening(1, "o", early + 20),
    ]
    tables = make_tables(events)
    parameters = SessionParameters(**DAYS, goal=EventMatch(name="o"))
    result = run_sessions(tables, parameters)
    assert (result.sessions, result.conversions, result.bounces, result.mean_seconds) == (2, 1, 0, 1200)
    counted = [(row.day, row.sessions) for row in result.days if row.sessions]
    assert counted == [(date(2026, 3, 28), 1), (date(2026, 3, 29), 1)]
    assert len(result.days) == 31, "days without sessions are zeros"
    converted = SessionSelection(day=date(2026, 3, 29), is_converted=True)
    assert fetch_ids(tables, select_session_people(tables, parameters, converted)) == [1]


@pytest.mark.parametrize("goal", ["o", "$order"])
def test_a_session_over_midnight_counts_once_and_whole_whatever_the_days(goal: str) -> None:
    # 1 comes at 23:50 and reaches the goal after midnight, 2 comes back an hour after midnight, 3 stays for two hours
    midnight = (datetime(2026, 3, 4, tzinfo=BERLIN) - START) / timedelta(minutes=1)
    events = [
        (1, "v", -10),
        (1, "a", 5),
        (2, "v", -10),
        (2, "v", 60),
        (2, "a", 62),
        *((3, "v", m) for m in range(-60, 61, 20)),
    ]
    happenings = [Happening(customer, name, midnight + minute) for customer, name, minute in events]
    orders = [make_order_row(1, midnight + 30)] if goal == "$order" else []
    tables = make_tables([*happenings, *([] if orders else [Happening(1, "o", midnight + 30)])], orders=orders)
    counts = {}
    for since, until in ((3, 3), (4, 4), (3, 4)):
        days: dict[str, Any] = {"since": date(2026, 3, since), "until": date(2026, 3, until)}
        result = run_sessions(tables, SessionParameters(**days, goal=EventMatch(name=goal)))
        visits = build_visits(tables, OutcomeParameters(**days, is_one_period=True))
        assert tables.fetch(visits.agg(visits=visits.count()))[0]["visits"] == result.sessions
        paths = run_paths(
            tables,
            make_paths(anchor=EventMatch(), goal=EventMatch(name=goal), since=days["since"], until=days["until"]),
        )
        assert (paths.paths, paths.people) == (result.sessions, result.people)
        counts[since, until] = (result.sessions, result.people, result.conversions, result.bounces)
    assert counts == {(3, 3): (3, 3, 1, 1), (4, 4): (1, 1, 0, 0), (3, 4): (4, 3, 1, 1)}


def make_order_row(customer: int, minute: float) -> dict[str, Any]:
    return {"customer_id": customer, "placed_at": START + timedelta(minutes=minute), "total": 10}


def test_only_events_make_sessions_and_orders_belong_to_those_they_are_placed_in() -> None:
    # 1 orders at the limit of the first session, and within the second; 2 orders a moment too late, and 3 only in a store
    events = [*log(1, "va"), Happening(1, "v", 40), Happening(1, "a", 60), *log(2, "v")]
    orders = [make_order_row(*order) for order in ((1, -1), (1, 31), (1, 40), (2, 31), (2, 300), (3, 0))]
    tables = make_tables(events, orders=orders)
    plain, goal = SessionParameters(**DAYS), SessionParameters(**DAYS, goal=EventMatch(meaning="purchase"))
    without, result = run_sessions(tables, plain), run_sessions(tables, goal)
    assert (result.sessions, result.people, result.bounces, result.mean_seconds) == (3, 2, 1, 420)
    assert (without.sessions, without.people, without.bounces, without.mean_seconds) == (3, 2, 1, 420)
    assert result.conversions == 2
    missed = SessionSelection(is_converted=False)
    assert fetch_ids(tables, select_session_people(tables, goal, missed)) == [2]
    visits = build_visits(tables, OutcomeParameters(since=DAYS["since"], until=DAYS["until"]))
    counted = tables.fetch(visits.agg(visits=visits.count(), converted=visits.is_converted.sum()))[0]
    assert (counted["visits"], counted["converted"]) == (result.sessions, result.conversions)
    paths = run_paths(tables, make_paths(goal=EventMatch(name="$order")))
    assert list_links(paths) == {(0, "v", "a"): 1, (1, "a", "$goal"): 1, (0, "v", "$goal"): 1, (1, "$goal", "a"): 1}
    assert (paths.paths, paths.people, paths.conversion) == (3, 2, pytest.approx(1 / 2))
    backward = run_paths(tables, make_paths(anchor=EventMatch(name="$order"), is_backward=True))
    assert (backward.paths, backward.people) == (2, 1)
    only_store = make_tables([], orders=[make_order_row(3, 0)])
    assert (run_sessions(only_store, goal).sessions, run_paths(only_store, make_paths(goal=goal.goal)).paths) == (0, 0)


def test_the_removal_effect_of_a_step_is_the_share_of_goals_lost_without_it() -> None:
    # P(goal) = 1/2: v leads to a half of the time, a to the goal always; b leads nowhere
    moves = [(None, "v", 4), ("v", "a", 2), ("v", "b", 2), ("a", "goal", 2), ("b", None, 2)]
    probability, effects = measure_removal_effects(moves, goal="goal")
    assert probability == pytest.approx(0.5)
    assert {effect.name: round(effect.removal_effect, 9) for effect in effects} == {"v": 1, "a": 1, "b": 0}
    result = run_paths(
        make_tables([*log(1, "vao"), *log(2, "vao"), *log(3, "vb"), *log(4, "vb")]),
        make_paths(goal=EventMatch(name="o")),
    )
    assert result.conversion == pytest.approx(0.5)
    assert {effect.name: round(effect.removal_effect, 9) for effect in result.effects} == {"v": 1, "a": 1, "b": 0}


def test_a_repeated_step_is_the_anchor_if_one_of_its_events_is() -> None:
    events = [
        Happening(1, "v", 0),
        Happening(1, "v", 1, '{"price": 9}'),
        Happening(1, "a", 2),
        Happening(2, "v", 0),
        Happening(2, "a", 1),
    ]
    expensive = EventMatch(name="v", filters=(PropertyFilter(property="price", op="gt", value=5),))
    for is_backward in (False, True):
        result = run_paths(make_tables(events), make_paths(anchor=expensive, is_backward=is_backward))
        assert (result.paths, result.people) == (1, 1)


def test_many_events_are_read_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = make_tables([event for person in range(9) for event in log(person, "vazo"[person % 3 :] + "v")])
    paths, sessions = make_paths(goal=EventMatch(name="o")), SessionParameters(**DAYS)
    whole = run_paths(tables, paths), run_sessions(tables, sessions)
    monkeypatch.setattr(sorted_events, "PART_EVENTS", 15)
    assert (run_paths(tables, paths), run_sessions(tables, sessions)) == whole


def test_large_ids_are_sorted_without_packing() -> None:
    customer, key = np.array([2**62, 1, 2**62, 1]), np.array([4, 3, 2, 1])
    ordered = sort_by_customer(customer, key)
    assert [values.tolist() for values in ordered] == [[1, 1, 2**62, 2**62], [1, 3, 2, 4]]


def split_sessions(events: list[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Return the sessions of one person."""
    sessions: list[list[tuple[str, int]]] = []
    for event in sorted(events, key=lambda event: event[1]):
        if not sessions or event[1] - sessions[-1][-1][1] > 30:
            sessions.append([])
        sessions[-1].append(event)
    return sessions


# a busy machine generates slowly
@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    logs=st.lists(
        st.lists(
            st.tuples(st.sampled_from("vaozb"), st.integers(0, 200)), max_size=9, unique_by=lambda event: event[1]
        ),
        min_size=25,
        max_size=25,
    ),
    is_backward=st.booleans(),
)
def test_random_logs_give_the_links_that_walking_each_session_gives(
    logs: list[list[tuple[str, int]]], is_backward: bool
) -> None:
    tables = make_tables(
        Happening(person, name, minute) for person, events in enumerate(logs) for name, minute in events
    )
    result = run_paths(tables, make_paths(is_backward=is_backward, top=30))
    expected: Counter[tuple[int, str, str]] = Counter()
    sessions = [session for events in logs for session in split_sessions(events)]
    for session in sessions:
        names = [name for name, _ in groupby(name for name, _ in session)]
        names = names[::-1] if is_backward else names
        if "v" in names:
            path = names[names.index("v") :][:4]
            expected.update((level, source, target) for level, (source, target) in enumerate(pairwise(path)))
    assert list_links(result) == dict(expected)
    check_flows(result)
    found = run_sessions(tables, SessionParameters(**DAYS))
    assert (found.sessions, found.bounces) == (len(sessions), sum(len(session) == 1 for session in sessions))


def test_funnel_and_paths_agree_on_the_same_steps() -> None:
    events = [*log(1, "vao"), *log(2, "va"), *log(3, "vza"), *log(4, "vvao"), *log(5, "v"), *log(6, "vo")]
    tables = make_tables(events)
    links = list_links(run_paths(tables, make_paths(events=match("v", "a", "o"))))
    strict = run_funnel(tables, FunnelParameters(**DAYS, steps=match("v", "a"), order="strict"))
    ordered = run_funnel(tables, FunnelParameters(**DAYS, steps=match("v", "a", "o")))
    assert links[0, "v", "a"] == ordered.steps[1].people == 4
    assert links[1, "a", "o"] == ordered.steps[2].people == 2
    assert list_links(run_paths(tables, make_paths()))[0, "v", "a"] == strict.steps[1].people == 3
