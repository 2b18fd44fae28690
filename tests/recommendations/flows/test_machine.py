"""The pure parts of the flow machine: definitions, the graph, waits over changes of the clock, splits, filters and re-entry."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from recommendations.flows.machine.decisions import choose_variant, matches_filters, may_enter
from recommendations.flows.machine.definition_parsing import list_problems
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.machine.wait_times import compute_wait_end, find_next_hour

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_definition(*steps: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "trigger": {"kind": "event", "event": "Product Added"},
        "reentry": {"rule": "never"},
        "steps": list(steps),
        **parts,
    }


def make_wait(key: str, **duration: int) -> dict[str, Any]:
    return {"key": key, "kind": "wait", "for": duration or {"days": 1}}


def make_message(key: str) -> dict[str, Any]:
    return {"key": key, "kind": "message", "template": "welcome"}


BRANCHED = make_definition(
    make_wait("pause"),
    {
        "key": "loyal",
        "kind": "branch",
        "condition": {"field": "stage", "op": "is", "value": "loyal"},
        "branches": {
            "yes": [
                make_message("thanks"),
                {
                    "key": "test",
                    "kind": "split",
                    "weights": {"a": 1, "b": 1},
                    "branches": {"a": [make_message("short")]},
                },
            ],
            "no": [],
        },
    },
    make_message("last"),
)


def test_a_valid_definition_has_no_problems() -> None:
    assert list_problems(BRANCHED) == []


@pytest.mark.parametrize(
    ("changes", "part", "name", "code"),
    [
        ({"steps": []}, "steps", "", "no_steps"),
        ({"trigger": None}, "trigger", "", "missing"),
        ({"trigger": {"kind": "moon"}}, "trigger", "kind", "unknown_kind"),
        ({"trigger": {"kind": "event"}}, "trigger", "event", "required"),
        ({"trigger": {"kind": "event", "event": "x", "where": [{"property": "p", "op": "at_least", "value": "a"}]}},
         "trigger", "where", "filter_without_number"),
        ({"trigger": {"kind": "catalog", "change": "price_drop", "interest": ["viewed"], "within_days": 30}}, "trigger", "percent", "required"),
        ({"reentry": {"rule": "after"}}, "reentry", "days", "required"),
        ({"steps": [make_wait("a"), make_wait("a")]}, "a", "key", "doubled_key"),
        ({"steps": [{"key": "a", "kind": "wait", "for": {"weeks": 1}}]}, "a", "for", "bad_duration"),
        ({"steps": [{"key": "a", "kind": "wait", "for": {"days": 0}}]}, "a", "for", "bad_length"),
        ({"steps": [{"key": "a", "kind": "wait", "for": {}}]}, "a", "for", "bad_length"),
        ({"steps": [{"key": "a", "kind": "wait_until", "hour": "25:00"}]}, "a", "hour", "bad_hour"),
        ({"steps": [{"key": "a", "kind": "split", "weights": {"x": 0, "y": 0}}]}, "a", "weights", "bad_weights"),
        ({"steps": [{"key": "a", "kind": "message"}]}, "a", "template", "required"),
        ({"steps": [{"key": "a", "kind": "message", "template": "t", "tempalte": "t"}]}, "a", "tempalte", "unknown_field"),
        ({"goal": {"kind": "condition", "condition": "loyal"}}, "goal", "condition", "not_a_condition"),
        ({"color": "red"}, "definition", "color", "unknown_field"),
    ],
)  # fmt: skip
def test_each_problem_names_its_part_and_field(changes: dict[str, Any], part: str, name: str, code: str) -> None:
    problems = list_problems(make_definition(make_wait("a")) | changes)
    assert [(problem.part, problem.field, problem.code) for problem in problems] == [(part, name, code)]


def test_branches_lead_back_to_the_step_after_them() -> None:
    graph = build_graph(BRANCHED)
    assert list(graph.steps) == ["pause", "loyal", "thanks", "test", "short", "last"]
    assert graph.find_next("pause", "done") == "loyal"
    assert graph.find_next("loyal", "yes") == "thanks"
    assert graph.find_next("loyal", "no") == "last"
    assert graph.find_next("thanks", "failed") == "test"
    assert graph.find_next("test", "a") == "short"
    assert graph.find_next("test", "b") == "last"
    assert graph.find_next("short", "done") == "last"
    assert graph.find_next("last", "done") is None
    assert graph.steps["short"].depth == 2


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-03-28 12:00", 1, "2026-03-29 12:00"),  # a day of 23 hours
        ("2026-10-24 12:00", 1, "2026-10-25 12:00"),  # a day of 25 hours
        ("2026-03-28 02:30", 1, "2026-03-29 03:30"),  # 02:30 does not exist
        ("2026-10-24 02:30", 1, "2026-10-25 02:30"),  # 02:30 occurs twice; the first counts
    ],
)
def test_a_wait_of_days_ends_at_the_same_local_time(start: str, days: int, end: str) -> None:
    began = datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    ended = compute_wait_end({"days": days}, start=began, zone=BERLIN).astimezone(BERLIN)
    assert ended == datetime.fromisoformat(end).replace(tzinfo=BERLIN)


def test_a_wait_of_hours_is_elapsed_time_when_the_clock_changes() -> None:
    began = datetime(2026, 3, 28, 23, 30, tzinfo=BERLIN)
    assert compute_wait_end({"hours": 4, "minutes": 5}, start=began, zone=BERLIN) - began.astimezone(UTC) == timedelta(
        hours=4, minutes=5
    )


def test_the_next_hour_is_local_and_on_one_of_the_weekdays() -> None:
    friday = datetime(2026, 3, 27, 10, tzinfo=BERLIN)
    assert find_next_hour("09:00", start=friday, zone=BERLIN) == datetime(2026, 3, 28, 9, tzinfo=BERLIN)
    assert find_next_hour("10:00", start=friday, zone=BERLIN) == friday
    assert find_next_hour("02:30", start=friday, zone=BERLIN, weekdays=["sun"]) == datetime(
        2026, 3, 29, 3, 30, tzinfo=BERLIN
    )
    assert find_next_hour("09:00", start=friday, zone=BERLIN, weekdays=["fri"]) == datetime(
        2026, 4, 3, 9, tzinfo=BERLIN
    )


def test_a_split_follows_its_weights_and_keeps_each_customer_in_its_variant() -> None:
    def choose(customer_id: int) -> str:
        return choose_variant(salt="s", step_key="test", customer_id=customer_id, weights={"a": 1, "b": 3, "none": 0})

    chosen = [choose(customer_id) for customer_id in range(4_000)]
    assert 900 < chosen.count("a") < 1_100
    assert "none" not in chosen
    assert chosen == [choose(customer_id) for customer_id in range(4_000)]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"property": "price", "op": "at_least", "value": 20}, True),
        ({"property": "price", "op": "at_most", "value": 20}, False),
        ({"property": "products.category", "op": "equals", "value": "tea"}, True),
        ({"property": "products.category", "op": "not_equals", "value": "tea"}, False),
        ({"property": "products.category", "op": "contains", "value": "OFF"}, True),
        ({"property": "coupon", "op": "is_set"}, False),
        ({"property": "coupon", "op": "is_not_set"}, True),
        ({"property": "gift", "op": "equals", "value": True}, True),
        ({"property": "gift", "op": "equals", "value": 1}, False),
        ({"property": "gift", "op": "equals", "value": "true"}, True),
        ({"property": "gift", "op": "equals", "value": False}, False),
        ({"property": "wrapped", "op": "equals", "value": False}, True),
        ({"property": "wrapped", "op": "not_equals", "value": False}, False),
    ],
)
def test_filters_compare_the_properties_of_an_event(part: dict[str, Any], expected: bool) -> None:
    properties = {
        "price": "21.50",
        "products": [{"category": "Tea"}, {"category": "Coffee"}],
        "gift": True,
        "wrapped": "False",
    }
    assert matches_filters(properties, [part]) is expected


def test_reentry_rules_count_two_triggers_in_one_second_as_one() -> None:
    second = timedelta(seconds=1)
    assert may_enter({"rule": "never"}, last_triggered_at=None, is_inside=False, at=NOON)
    assert not may_enter({"rule": "never"}, last_triggered_at=NOON, is_inside=False, at=NOON + timedelta(days=900))
    assert not may_enter({"rule": "always"}, last_triggered_at=None, is_inside=True, at=NOON)
    assert not may_enter({"rule": "always"}, last_triggered_at=NOON, is_inside=False, at=NOON + second)
    assert may_enter({"rule": "always"}, last_triggered_at=NOON, is_inside=False, at=NOON + timedelta(minutes=1))
    after = {"rule": "after", "days": 30}
    assert not may_enter(after, last_triggered_at=NOON, is_inside=False, at=NOON + timedelta(days=30) - second)
    assert may_enter(after, last_triggered_at=NOON, is_inside=False, at=NOON + timedelta(days=30))
