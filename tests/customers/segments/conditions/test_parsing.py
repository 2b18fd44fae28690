"""Invalid conditions are rejected with the path of the problem."""

from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from customers.segments.conditions.catalog_names import check_catalog_names
from customers.segments.conditions.compiler import compile_condition
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.conditions.parsing import parse_condition
from customers.segments.editing import check_condition
from tests.makers import NOON, make_product, make_segment

STAGE = {"field": "stage", "op": "in", "value": ["loyal"]}


def nest_negations(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = STAGE
    for _level in range(levels):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("condition", "path", "code", "expected_text"),
    [
        (None, "$", "type", '{"all": […]}'),
        ([], "$", "type", "[]"),
        ({}, "$", "shape", '{"any": […]}'),
        ({"all": [], "any": []}, "$", "shape", "{"),
        ({"all": {}}, "$.all", "type", "list"),
        ({"any": []}, "$.any", "empty", "at least one"),
        ({"all": [], "comment": 1}, "$.comment", "unknown_key", "comment"),
        ({"all": [STAGE, 7]}, "$.all[1]", "type", "7"),
        ({"all": [{"not": {"field": "stag", "op": "eq"}}]}, "$.all[0].not.field", "unknown_field", "stage"),
        ({"field": "zzzzzz", "op": "eq"}, "$.field", "unknown_field", "average_order_value"),
        ({"field": None, "op": "eq"}, "$.field", "unknown_field", "null"),
        ({"field": "traits.", "op": "eq"}, "$.field", "unknown_field", "traits."),
        ({"field": "traits.a\0b", "op": "eq"}, "$.field", "unknown_field", "traits"),
        ({"field": "consent.fax", "op": "eq", "value": "granted"}, "$.field", "unknown_field", "consent.sms"),
        ({"field": "stage", "op": "gt", "value": "new"}, "$.op", "unknown_operator", "not_in"),
        ({"field": "stage"}, "$.op", "unknown_operator", "null"),
        ({"field": "traits.微信号", "op": "eq", "value": "x"}, "$.field", "encrypted_trait", "is_not_set"),
        ({"field": "traits.partnerEmail", "op": "contains", "value": "x"}, "$.field", "encrypted_trait", "is_set"),
        ({"field": "stage", "op": "eq"}, "$.value", "required", "stage"),
        ({"field": "stage", "op": "eq", "value": "loyall"}, "$.value", "choice", "Did you mean loyal"),
        ({"field": "stage", "op": "in", "value": "loyal"}, "$.value", "type", "list"),
        ({"field": "stage", "op": "in", "value": []}, "$.value", "type", "1 to 1000"),
        ({"field": "stage", "op": "in", "value": ["loyal", 3]}, "$.value[1]", "choice", "3"),
        ({"field": "orders", "op": "gt", "value": "5"}, "$.value", "number", '"5"'),
        ({"field": "orders", "op": "gt", "value": True}, "$.value", "number", "true"),
        ({"field": "orders", "op": "gt", "value": 1.5}, "$.value", "number", "whole"),
        ({"field": "orders", "op": "gt", "value": -1}, "$.value", "number", "-1"),
        ({"field": "r", "op": "eq", "value": 6}, "$.value", "number", "from 1 to 5"),
        ({"field": "revenue", "op": "gt", "value": float("nan")}, "$.value", "number", "NaN"),
        ({"field": "revenue", "op": "gt", "value": 1e300}, "$.value", "number", "1e+300"),
        ({"field": "revenue", "op": "between", "value": [5]}, "$.value", "type", "range"),
        ({"field": "revenue", "op": "between", "value": [5, 1]}, "$.value", "range", "Swap them."),
        ({"field": "revenue", "op": "between", "value": [1, "x"]}, "$.value[1]", "number", '"x"'),
        ({"field": "last_order_at", "op": "before", "value": "yesterday"}, "$.value", "moment", "2026-11-24"),
        ({"field": "last_order_at", "op": "before", "value": "2026-02-30"}, "$.value", "moment", "2026-02-30"),
        ({"field": "last_order_at", "op": "after", "value": "9999-12-31"}, "$.value", "moment", "9999"),
        ({"field": "last_order_at", "op": "within_days", "value": -1}, "$.value", "number", "-1"),
        ({"field": "last_order_at", "op": "within_days", "value": 10**9}, "$.value", "number", "36500"),
        ({"field": "last_order_at", "op": "within_next_days", "value": 1}, "$.op", "unknown_operator", "within_days"),
        ({"field": "identified", "op": "eq", "value": "yes"}, "$.value", "flag", '"yes"'),
        ({"field": "country", "op": "eq", "value": ""}, "$.value", "text", "1 to 500"),
        ({"field": "country", "op": "eq", "value": "a\0b"}, "$.value", "text", "u0000"),
        ({"field": "country", "op": "eq", "value": "\ud800"}, "$.value", "text", "string"),
        ({"field": "country", "op": "is_set", "value": 1}, "$.value", "unknown_key", "value"),
        ({"field": "stage", "op": "eq", "value": "new", "times": 2}, "$.times", "unknown_key", "times"),
        ({"field": "traits.age", "op": "eq", "value": {"a": 1}}, "$.value", "type", "traits.age"),
        ({"field": "traits.age", "op": "gt", "value": "5"}, "$.value", "number", '"5"'),
        ({"field": "bought.brand", "op": "at_least"}, "$.value", "required", "bought.brand"),
        ({"field": "bought.any", "op": "at_least", "value": ["x"]}, "$.value", "unknown_key", "times"),
        ({"field": "bought.any", "op": "at_least", "times": 0}, "$.times", "number", "0"),
        ({"field": "bought.any", "op": "at_least", "within_days": 0}, "$.within_days", "number", "0"),
        (nest_negations(20), "$" + ".not" * 12, "too_large", "12 levels"),
        ({"all": [STAGE] * 400}, "$.all[299]", "too_large", "300 parts"),
        ({"all": [{**STAGE, "value": ["loyal"] * 1000}] * 22}, "$.all[20].value", "too_large", "20000"),
    ],
    ids=lambda part: str(part)[:60],
)  # fmt: skip
def test_invalid_conditions_are_rejected_with_their_path(
    condition: Any, path: str, code: str, expected_text: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(condition)
    problem = caught.value.problems[0]
    assert (problem.path, problem.code) == (path, code)
    assert expected_text in problem.message


def test_all_problems_are_reported_at_once() -> None:
    invalid = {"all": [{"field": "x", "op": "eq"}, {"not": {"field": "r", "op": "eq", "value": 9}}]}
    with pytest.raises(ConditionError) as caught:
        parse_condition(invalid)
    assert [problem.path for problem in caught.value.problems] == ["$.all[0].field", "$.all[1].not.value"]


def compile_problem(condition: Any, key: str = "mine") -> tuple[str, str, str]:
    with pytest.raises(ConditionError) as caught:
        compile_condition(condition, as_of=NOON, within=(key,))
    [problem] = caught.value.problems
    return problem.path, problem.code, problem.message


def refers_to(*keys: str) -> dict[str, Any]:
    return {"all": [STAGE, {"field": "segment", "op": "in", "value": list(keys)}]}


@pytest.mark.django_db
def test_cycle_of_segments_is_rejected_and_shown() -> None:
    make_segment("theirs", refers_to("ours"))
    make_segment("ours", {"not": refers_to("mine")})
    path, code, message = compile_problem(refers_to("theirs"))
    assert (path, code) == ("$.all[1].value[0]", "cycle")
    assert "mine → theirs → ours → mine" in message
    assert compile_problem(refers_to("mine"))[1] == "cycle"


@pytest.mark.django_db
def test_stored_cycle_is_an_error_and_no_endless_loop() -> None:
    make_segment("a", refers_to("b"))
    make_segment("b", refers_to("a"))
    assert compile_problem(refers_to("a"), key="c")[1] == "cycle"


@pytest.mark.django_db
def test_unknown_segment_is_rejected_with_suggestions() -> None:
    make_segment("champions")
    path, code, message = compile_problem(refers_to("champion"))
    assert (path, code) == ("$.all[1].value[0]", "unknown_segment")
    assert "champions" in message


@pytest.mark.django_db
def test_error_of_a_segment_is_reported_at_the_reference() -> None:
    make_segment("broken", {"field": "x", "op": "eq"})
    path, code, message = compile_problem(refers_to("broken"))
    assert (path, code) == ("$.all[1].value[0]", "broken_segment")
    assert "$.field" in message


@pytest.mark.django_db
def test_long_chains_and_large_trees_of_segments_are_rejected() -> None:
    make_segment("s0", STAGE)
    for number in range(1, 13):
        make_segment(f"s{number}", refers_to(f"s{number - 1}"))
    assert compile_problem(refers_to("s12"))[1] == "too_large"
    make_segment("w0", STAGE)
    for number in range(1, 9):
        make_segment(f"w{number}", refers_to(*[f"w{number - 1}"] * 4))
    assert compile_problem(refers_to("w8"))[1] == "too_large"


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["bought.product", "bought.category", "bought.brand"])
def test_names_missing_from_the_catalog_are_rejected_when_saving(field: str) -> None:
    make_product("teapot", category="Kitchen > Tea", brand="Teabrand")
    valid_name = {"bought.product": "teapot", "bought.category": "Kitchen > Tea", "bought.brand": "Teabrand"}[field]
    invalid = {"all": [{"field": field, "op": "at_least", "value": [valid_name, valid_name[:-1] + "!"]}]}
    with pytest.raises(ConditionError) as caught:
        check_condition(condition=invalid, key="x", as_of=NOON)
    [problem] = caught.value.problems
    assert problem.path == "$.all[0].value[1]"
    assert valid_name in problem.message
    check_condition(condition={"field": field, "op": "at_least", "value": [valid_name]}, key="x", as_of=NOON)


@pytest.mark.django_db
def test_many_unknown_names_take_two_queries_and_suggest_for_the_first(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_product("teapot", brand="100% Tea")
    names = ["100% tee", "TEA", *(f"100_{number}" for number in range(998))]
    comparison = {"field": "bought.brand", "op": "at_least", "value": names}
    condition = parse_condition({"any": [comparison] * 20})
    with django_assert_num_queries(2), pytest.raises(ConditionError) as caught:
        check_catalog_names(condition)
    problems = caught.value.problems
    assert [problem.path for problem in problems[:2]] == ["$.any[0].value[0]", "$.any[0].value[1]"]
    assert [problem.message.count("Did you mean 100% Tea?") for problem in problems] == [1, 1, 1, 1, 1] + [0] * 95


def test_an_invalid_list_reports_a_hundred_values_and_suggests_for_the_first() -> None:
    stages = [f"loyal {number}" for number in range(1000)]
    with pytest.raises(ConditionError) as caught:
        parse_condition({"any": [{"field": "stage", "op": "in", "value": stages}] * 300})
    problems = caught.value.problems
    assert [problem.path for problem in problems] == [f"$.any[0].value[{number}]" for number in range(100)]
    assert ["Did you mean" in problem.message for problem in problems] == [True] * 20 + [False] * 80
