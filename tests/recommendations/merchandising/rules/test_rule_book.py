"""The combined effects of rules: on ten products by hand, then for arbitrary rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.engine.placements import PLACEMENTS
from recommendations.merchandising.choices import RulePlacement
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.rule_book import MAX_CACHED_EFFECTS, OmittedPin, RuleBook, RuleEffects
from tests.makers import NOON
from tests.recommendations.merchandising.ten_products import IDS, rule, ten_products

NOBODY: frozenset[int] = frozenset()


def numbered(rules: Sequence[Rule]) -> Sequence[Rule]:
    for number, one in enumerate(rules, start=1):
        one.pk = number
    return rules


def applied(
    *rules: Rule, scenario: str = "for-you", segments: frozenset[int] = NOBODY, now: datetime = NOON
) -> RuleEffects | None:
    book = RuleBook.compile(rules=numbered(rules), columns=ten_products(), now=now)
    return book.apply(scenario=scenario, segments=segments, now=now)


def held(*rules: Rule, **where: Any) -> RuleEffects:
    found = applied(*rules, **where)
    assert found is not None
    return found


def out(found: RuleEffects) -> list[int]:
    return [] if found.allowed is None else (~found.allowed).nonzero()[0].tolist()


def test_rules_apply_to_all_placements_and_search() -> None:
    assert RulePlacement.values == [*PLACEMENTS, "search"]


def test_without_rules_there_are_no_effects() -> None:
    assert applied() is None
    assert RuleBook().apply(scenario="for-you", segments=frozenset([1]), now=NOON) is None


def test_hide_removes_products() -> None:
    found = held(rule("hide", "p1 p2"), rule("hide", brand="Bolt"))
    assert out(found) == [1, 2, 5, 6, 7]
    assert (found.factors, found.pins, found.rule_ids) == (None, (), (1, 2))


def test_only_removes_all_other_products_and_two_only_rules_are_intersected() -> None:
    assert out(held(rule("only", category="Kitchen"))) == [5, 6, 7, 8, 9]
    assert out(held(rule("only", category="Kitchen"), rule("only", tag="sale"))) == [0, 1, 4, 5, 6, 7, 8, 9]


def test_the_higher_priority_applies_if_two_only_rules_have_no_common_product() -> None:
    found = held(rule("only", category="Kitchen"), rule("only", brand="Bolt", priority=5))
    assert out(found) == [0, 1, 2, 3, 4, 8, 9]
    assert (found.rule_ids, found.ignored_rule_ids) == ((2,), (1,))


def test_an_only_rule_without_products_to_show_is_ignored() -> None:
    found = held(rule("only", "p8 p9"), rule("boost", "p1", factor=2))
    assert (found.allowed, found.ignored_rule_ids) == (None, (1,)), "p8 is sold out, p9 is not active"


def test_hide_beats_only_at_any_priority() -> None:
    assert out(held(rule("only", "p1 p2", priority=9), rule("hide", "p2"))) == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    found = held(rule("only", "p1 p2", priority=9), rule("hide", "p1 p2"))
    assert (out(found), found.ignored_rule_ids) == ([1, 2], (1,)), "a rule never empties a placement"


@pytest.mark.parametrize(("priority", "pins"), [(1, ((3, 1),)), (0, ()), (-1, ())])
def test_a_pin_beats_a_hide_of_lower_priority_only(priority: int, pins: Any) -> None:
    found = held(rule("pin", "p1", position=3, priority=priority), rule("hide", "p1 p2"))
    assert found.pins == pins
    assert out(found) == ([2] if pins else [1, 2])
    assert found.omitted_pins == (() if pins else (OmittedPin(1, 1, "hidden", 2),))


@pytest.mark.parametrize(("priority", "pins"), [(1, ((3, 7),)), (0, ()), (-1, ())])
def test_a_pin_beats_an_only_of_lower_priority_only(priority: int, pins: Any) -> None:
    found = held(rule("pin", "p7", position=3, priority=priority), rule("only", category="Kitchen"))
    assert found.pins == pins
    assert out(found) == ([5, 6, 8, 9] if pins else [5, 6, 7, 8, 9])
    assert found.omitted_pins == (() if pins else (OmittedPin(1, 7, "only", 2),))


def test_pins_are_ordered_by_priority_with_each_product_once() -> None:
    found = held(rule("pin", "p4 p1", position=2), rule("pin", "p3 p4", position=1, priority=5))
    assert found.pins == ((1, 3), (1, 4), (2, 1))
    assert found.omitted_pins == (OmittedPin(1, 4, "pinned", 2),)


def test_a_pin_keeps_only_products_that_match_its_other_conditions() -> None:
    assert held(rule("pin", "p7 p1 unknown", category="Kitchen")).pins == ((1, 1),)


def test_factors_are_multiplied_within_limits() -> None:
    found = held(
        rule("boost", "p0 p1", factor=2),
        rule("boost", "p1", factor=3),
        rule("bury", "p1 p2", factor=0.5),
        rule("boost", "p3", factor=50),
        rule("boost", "p3", factor=50),
        rule("bury", "p4", factor=0.05),
        rule("bury", "p4", factor=0.05),
    )
    assert found.factors is not None
    assert found.factors.dtype == np.float32
    assert found.factors.tolist() == pytest.approx([2, 3, 0.5, 100, 0.01, 1, 1, 1, 1, 1])
    assert found.allowed is None


def test_a_rule_applies_only_in_its_placements() -> None:
    cart = rule("hide", "p1", scenarios=["cart", "search"])
    assert applied(cart, scenario="for-you") is None
    assert out(held(cart, scenario="cart")) == out(held(cart, scenario="search")) == [1]
    assert applied(rule("hide", "p1"), scenario="unheard-of") is None


def test_a_rule_for_a_segment_applies_to_its_members() -> None:
    for_seven, for_all = rule("hide", "p1", segment_id=7), rule("hide", "p2")
    assert applied(for_seven) is None
    assert applied(for_seven, segments=frozenset([8])) is None
    assert out(held(for_seven, segments=frozenset([7, 8]))) == [1]
    assert out(held(for_seven, for_all)) == [2]
    assert out(held(for_seven, for_all, segments=frozenset([7]))) == [1, 2]


def test_rules_apply_within_their_schedule() -> None:
    hour = timedelta(hours=1)
    window = rule("hide", "p1", starts_at=NOON + hour, ends_at=NOON + 2 * hour)
    tuesdays = rule("hide", "p2", weekdays=[2])
    book = RuleBook.compile(rules=numbered([window, tuesdays]), columns=ten_products(), now=NOON)

    def hidden(now: datetime) -> list[int]:
        found = book.apply(scenario="cart", segments=NOBODY, now=now)
        return out(found) if found is not None else []

    assert NOON.isoweekday() == 2
    assert hidden(NOON) == [2]
    assert hidden(NOON + hour) == [1, 2]
    assert hidden(NOON + 2 * hour - timedelta(microseconds=1)) == [1, 2]
    assert hidden(NOON + 2 * hour) == [2]
    assert hidden(datetime(2026, 11, 25, tzinfo=UTC)) == []
    assert hidden(datetime(2026, 12, 1, tzinfo=UTC)) == [2]
    assert hidden(NOON) == [2], "a preview may ask for another moment"


def test_weekdays_are_those_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    tuesdays = rule("hide", "p2", weekdays=[2])
    assert applied(tuesdays, now=datetime(2026, 11, 23, 15, 59, tzinfo=UTC)) is None
    assert out(held(tuesdays, now=datetime(2026, 11, 23, 16, tzinfo=UTC))) == [2]
    assert applied(tuesdays, now=datetime(2026, 11, 24, 16, tzinfo=UTC)) is None


def test_the_same_rules_are_worked_out_once_and_memory_is_bounded() -> None:
    rules = [rule("hide", f"p{number % 9}", segment_id=number) for number in range(1, 12)]
    book = RuleBook.compile(rules=numbered([*rules, rule("hide", "p0")]), columns=ten_products(), now=NOON)
    first = book.apply(scenario="cart", segments=frozenset([1, 99]), now=NOON)
    assert book.apply(scenario="cart", segments=frozenset([1]), now=NOON) is first
    assert book.apply(scenario="search", segments=frozenset([1]), now=NOON) is first
    for number in range(2**11):
        chosen = frozenset(segment for segment in range(1, 12) if number >> segment & 1)
        found = book.apply(scenario="cart", segments=chosen, now=NOON)
        assert found is not None
        assert out(found) == sorted({0} | {segment % 9 for segment in chosen})
        assert len(book.cache) <= MAX_CACHED_EFFECTS


products = st.lists(st.sampled_from([*IDS, "unknown"]), min_size=1, max_size=5, unique=True)


@st.composite
def any_rule(draw: st.DrawFn) -> Rule:
    action = draw(st.sampled_from(["pin", "boost", "bury", "hide", "only"]))
    fields: dict[str, Any] = {
        "priority": draw(st.integers(-2, 2)),
        "segment_id": draw(st.sampled_from([None, None, 1, 2])),
        "scenarios": draw(st.sampled_from([[], ["cart"], ["for-you"], ["cart", "search"]])),
    }
    if action == "pin":
        fields["position"] = draw(st.integers(1, 6))
    if action in ("boost", "bury"):
        fields["factor"] = draw(st.floats(1.01, 100) if action == "boost" else st.floats(0.01, 0.99))
    return rule(action, " ".join(draw(products)), **fields)


def beats(one: Rule, other: Rule) -> bool:
    """Between rules that contradict each other."""
    strength = {"hide": 0, "only": 1, "pin": 2}
    return (-one.priority, strength[one.action], one.pk) < (-other.priority, strength[other.action], other.pk)


@given(rules=st.lists(any_rule(), max_size=8), segments=st.sampled_from([NOBODY, frozenset([1]), frozenset([1, 2])]))
def test_what_each_rule_promises_holds_for_any_rules(rules: list[Rule], segments: frozenset[int]) -> None:
    found = applied(*rules, scenario="cart", segments=segments) or RuleEffects()
    live = [
        one
        for one in rules
        if (not one.scenarios or "cart" in one.scenarios) and (one.segment_id is None or one.segment_id in segments)
    ]
    pinned_rows = [row for _place, row in found.pins]
    pinning = {
        row: next(one for one in live if one.action == "pin" and IDS[row] in one.product_ids) for row in pinned_rows
    }
    assert len(set(pinned_rows)) == len(pinned_rows)
    for row, name in enumerate(IDS):
        shown = found.allowed is None or bool(found.allowed[row])
        pins = [one for one in live if one.action == "pin" and name in one.product_ids]
        hides = [one for one in live if one.action == "hide" and name in one.product_ids]
        onlys = [
            one for one in live if one.action == "only" and name not in one.product_ids and one.pk in found.rule_ids
        ]
        kept = [pin for pin in pins if all(beats(pin, bar) for bar in hides)]
        if hides and not kept:
            assert not shown
        if not hides and not onlys:
            assert shown
        if onlys and not any(all(beats(pin, bar) for bar in onlys) for pin in kept):
            assert not shown
        if row in pinning:
            assert shown
        factors = [float(one.factor) for one in live if one.factor is not None and name in one.product_ids]
        factor = 1.0 if found.factors is None else float(found.factors[row])
        assert factor == pytest.approx(min(max(float(np.prod(factors)), 0.01), 100.0), rel=1e-5)
    columns = ten_products()
    showable = columns.shown & columns.in_stock
    hidden = {name for one in live if one.action == "hide" for name in one.product_ids}
    if any(showable[row] and name not in hidden for row, name in enumerate(IDS)):
        assert found.allowed is None or (found.allowed & showable).any(), "rules never empty a placement"
    named = {row for row, name in enumerate(IDS) for one in live if one.action == "pin" and name in one.product_ids}
    assert named == set(pinned_rows) | {left.row for left in found.omitted_pins if left.reason != "pinned"}
