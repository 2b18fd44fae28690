"""The combined effects of rules: on ten products, then for arbitrary rules."""

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
from tests.recommendations.merchandising.ten_products import IDS, make_rule, make_ten_products

NO_SEGMENTS: frozenset[int] = frozenset()


def number_rules(rules: Sequence[Rule]) -> Sequence[Rule]:
    for number, rule in enumerate(rules, start=1):
        rule.pk = number
    return rules


def apply_rules(
    *rules: Rule, scenario: str = "for-you", segments: frozenset[int] = NO_SEGMENTS, now: datetime = NOON
) -> RuleEffects | None:
    book = RuleBook.compile(rules=number_rules(rules), columns=make_ten_products(), now=now)
    return book.apply(scenario=scenario, segments=segments, now=now)


def get_effects(*rules: Rule, **context: Any) -> RuleEffects:
    effects = apply_rules(*rules, **context)
    assert effects is not None
    return effects


def list_hidden(effects: RuleEffects) -> list[int]:
    return [] if effects.allowed is None else (~effects.allowed).nonzero()[0].tolist()


def test_rules_apply_to_all_placements_and_search() -> None:
    assert RulePlacement.values == [*PLACEMENTS, "search"]


def test_without_rules_there_are_no_effects() -> None:
    assert apply_rules() is None
    assert RuleBook().apply(scenario="for-you", segments=frozenset([1]), now=NOON) is None


def test_hide_removes_products() -> None:
    effects = get_effects(make_rule("hide", "p1 p2"), make_rule("hide", brand="Bolt"))
    assert list_hidden(effects) == [1, 2, 5, 6, 7]
    assert (effects.factors, effects.pins, effects.rule_ids) == (None, (), (1, 2))


def test_only_removes_all_other_products_and_two_only_rules_are_intersected() -> None:
    assert list_hidden(get_effects(make_rule("only", category="Kitchen"))) == [5, 6, 7, 8, 9]
    assert list_hidden(get_effects(make_rule("only", category="Kitchen"), make_rule("only", tag="sale"))) == [
        0,
        1,
        4,
        5,
        6,
        7,
        8,
        9,
    ]


def test_the_higher_priority_applies_if_two_only_rules_have_no_common_product() -> None:
    effects = get_effects(make_rule("only", category="Kitchen"), make_rule("only", brand="Bolt", priority=5))
    assert list_hidden(effects) == [0, 1, 2, 3, 4, 8, 9]
    assert (effects.rule_ids, effects.ignored_rule_ids) == ((2,), (1,))


def test_an_only_rule_without_products_to_show_is_ignored() -> None:
    effects = get_effects(make_rule("only", "p8 p9"), make_rule("boost", "p1", factor=2))
    assert (effects.allowed, effects.ignored_rule_ids) == (None, (1,)), "p8 is sold out, p9 is not active"


def test_only_search_shows_products_without_a_price() -> None:
    columns = make_ten_products(price=np.array([np.nan, 0, *range(30, 110, 10)]))
    book = RuleBook.compile(rules=number_rules([make_rule("only", "p0 p1")]), columns=columns, now=NOON)
    recommended, found = (
        book.apply(scenario=scenario, segments=NO_SEGMENTS, now=NOON) for scenario in ("trending", "search")
    )
    assert recommended is not None
    assert found is not None
    assert (recommended.allowed, recommended.ignored_rule_ids) == (None, (1,))
    assert (list_hidden(found), found.ignored_rule_ids) == ([2, 3, 4, 5, 6, 7, 8, 9], ())
    unpriced = make_ten_products(price=np.full(10, np.nan))  # a shop that sends no prices
    book = RuleBook.compile(rules=number_rules([make_rule("only", "p0 p1")]), columns=unpriced, now=NOON)
    recommended = book.apply(scenario="trending", segments=NO_SEGMENTS, now=NOON)
    assert recommended is not None
    assert list_hidden(recommended) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_hide_beats_only_at_any_priority() -> None:
    assert list_hidden(get_effects(make_rule("only", "p1 p2", priority=9), make_rule("hide", "p2"))) == [
        0,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
    ]
    effects = get_effects(make_rule("only", "p1 p2", priority=9), make_rule("hide", "p1 p2"))
    assert (list_hidden(effects), effects.ignored_rule_ids) == ([1, 2], (1,)), "a rule never empties a placement"


@pytest.mark.parametrize(("priority", "pins"), [(1, ((3, 1),)), (0, ()), (-1, ())])
def test_a_pin_beats_a_hide_of_lower_priority_only(priority: int, pins: Any) -> None:
    effects = get_effects(make_rule("pin", "p1", position=3, priority=priority), make_rule("hide", "p1 p2"))
    assert effects.pins == pins
    assert list_hidden(effects) == ([2] if pins else [1, 2])
    assert effects.omitted_pins == (() if pins else (OmittedPin(1, 1, "hidden", 2),))


@pytest.mark.parametrize(("priority", "pins"), [(1, ((3, 7),)), (0, ()), (-1, ())])
def test_a_pin_beats_an_only_of_lower_priority_only(priority: int, pins: Any) -> None:
    effects = get_effects(make_rule("pin", "p7", position=3, priority=priority), make_rule("only", category="Kitchen"))
    assert effects.pins == pins
    assert list_hidden(effects) == ([5, 6, 8, 9] if pins else [5, 6, 7, 8, 9])
    assert effects.omitted_pins == (() if pins else (OmittedPin(1, 7, "only", 2),))


def test_pins_are_ordered_by_priority_with_each_product_once() -> None:
    effects = get_effects(make_rule("pin", "p4 p1", position=2), make_rule("pin", "p3 p4", position=1, priority=5))
    assert effects.pins == ((1, 3), (1, 4), (2, 1))
    assert effects.omitted_pins == (OmittedPin(1, 4, "pinned", 2),)


def test_a_pin_keeps_only_products_that_match_its_other_conditions() -> None:
    assert get_effects(make_rule("pin", "p7 p1 unknown", category="Kitchen")).pins == ((1, 1),)


def test_factors_are_multiplied_within_limits() -> None:
    effects = get_effects(
        make_rule("boost", "p0 p1", factor=2),
        make_rule("boost", "p1", factor=3),
        make_rule("bury", "p1 p2", factor=0.5),
        make_rule("boost", "p3", factor=50),
        make_rule("boost", "p3", factor=50),
        make_rule("bury", "p4", factor=0.05),
        make_rule("bury", "p4", factor=0.05),
    )
    assert effects.factors is not None
    assert effects.factors.dtype == np.float32
    assert effects.factors.tolist() == pytest.approx([2, 3, 0.5, 100, 0.01, 1, 1, 1, 1, 1])
    assert effects.allowed is None


def test_a_rule_applies_only_in_its_placements() -> None:
    cart = make_rule("hide", "p1", scenarios=["cart", "search"])
    assert apply_rules(cart, scenario="for-you") is None
    assert list_hidden(get_effects(cart, scenario="cart")) == list_hidden(get_effects(cart, scenario="search")) == [1]
    assert apply_rules(make_rule("hide", "p1"), scenario="unheard-of") is None


def test_a_rule_for_a_segment_applies_to_its_members() -> None:
    for_seven, for_all = make_rule("hide", "p1", segment_id=7), make_rule("hide", "p2")
    assert apply_rules(for_seven) is None
    assert apply_rules(for_seven, segments=frozenset([8])) is None
    assert list_hidden(get_effects(for_seven, segments=frozenset([7, 8]))) == [1]
    assert list_hidden(get_effects(for_seven, for_all)) == [2]
    assert list_hidden(get_effects(for_seven, for_all, segments=frozenset([7]))) == [1, 2]


def test_rules_apply_within_their_schedule() -> None:
    hour = timedelta(hours=1)
    window = make_rule("hide", "p1", starts_at=NOON + hour, ends_at=NOON + 2 * hour)
    tuesdays = make_rule("hide", "p2", weekdays=[2])
    book = RuleBook.compile(rules=number_rules([window, tuesdays]), columns=make_ten_products(), now=NOON)

    def hidden(now: datetime) -> list[int]:
        effects = book.apply(scenario="cart", segments=NO_SEGMENTS, now=now)
        return list_hidden(effects) if effects is not None else []

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
    tuesdays = make_rule("hide", "p2", weekdays=[2])
    assert apply_rules(tuesdays, now=datetime(2026, 11, 23, 15, 59, tzinfo=UTC)) is None
    assert list_hidden(get_effects(tuesdays, now=datetime(2026, 11, 23, 16, tzinfo=UTC))) == [2]
    assert apply_rules(tuesdays, now=datetime(2026, 11, 24, 16, tzinfo=UTC)) is None


def test_the_same_rules_are_combined_once_and_the_cache_is_bounded() -> None:
    rules = [make_rule("hide", f"p{number % 9}", segment_id=number) for number in range(1, 12)]
    book = RuleBook.compile(
        rules=number_rules([*rules, make_rule("hide", "p0")]), columns=make_ten_products(), now=NOON
    )
    first = book.apply(scenario="cart", segments=frozenset([1, 99]), now=NOON)
    assert book.apply(scenario="cart", segments=frozenset([1]), now=NOON) is first
    assert book.apply(scenario="search", segments=frozenset([1]), now=NOON) is first
    for number in range(2**11):
        segments = frozenset(segment for segment in range(1, 12) if number >> segment & 1)
        effects = book.apply(scenario="cart", segments=segments, now=NOON)
        assert effects is not None
        assert list_hidden(effects) == sorted({0} | {segment % 9 for segment in segments})
        assert len(book.cache) <= MAX_CACHED_EFFECTS


products = st.lists(st.sampled_from([*IDS, "unknown"]), min_size=1, max_size=5, unique=True)


@st.composite
def draw_rule(draw: st.DrawFn) -> Rule:
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
    return make_rule(action, " ".join(draw(products)), **fields)


def beats(first: Rule, second: Rule) -> bool:
    """Return whether the first of two conflicting rules wins."""
    action_order = {"hide": 0, "only": 1, "pin": 2}
    return (-first.priority, action_order[first.action], first.pk) < (
        -second.priority,
        action_order[second.action],
        second.pk,
    )


@given(
    rules=st.lists(draw_rule(), max_size=8), segments=st.sampled_from([NO_SEGMENTS, frozenset([1]), frozenset([1, 2])])
)
def test_every_rule_has_its_documented_effect_among_arbitrary_rules(
    rules: list[Rule], segments: frozenset[int]
) -> None:
    effects = apply_rules(*rules, scenario="cart", segments=segments) or RuleEffects()
    applying = [
        rule
        for rule in rules
        if (not rule.scenarios or "cart" in rule.scenarios) and (rule.segment_id is None or rule.segment_id in segments)
    ]
    pinned_rows = [row for _position, row in effects.pins]
    pinning = {
        row: next(rule for rule in applying if rule.action == "pin" and IDS[row] in rule.product_ids)
        for row in pinned_rows
    }
    assert len(set(pinned_rows)) == len(pinned_rows)
    for row, name in enumerate(IDS):
        is_shown = effects.allowed is None or bool(effects.allowed[row])
        pins = [rule for rule in applying if rule.action == "pin" and name in rule.product_ids]
        hides = [rule for rule in applying if rule.action == "hide" and name in rule.product_ids]
        onlys = [
            rule
            for rule in applying
            if rule.action == "only" and name not in rule.product_ids and rule.pk in effects.rule_ids
        ]
        winning_pins = [pin for pin in pins if all(beats(pin, other) for other in hides)]
        if hides and not winning_pins:
            assert not is_shown
        if not hides and not onlys:
            assert is_shown
        if onlys and not any(all(beats(pin, other) for other in onlys) for pin in winning_pins):
            assert not is_shown
        if row in pinning:
            assert is_shown
        factors = [float(rule.factor) for rule in applying if rule.factor is not None and name in rule.product_ids]
        factor = 1.0 if effects.factors is None else float(effects.factors[row])
        assert factor == pytest.approx(min(max(float(np.prod(factors)), 0.01), 100.0), rel=1e-5)
    columns = make_ten_products()
    showable = columns.visible & columns.in_stock
    hidden = {name for rule in applying if rule.action == "hide" for name in rule.product_ids}
    if any(showable[row] and name not in hidden for row, name in enumerate(IDS)):
        assert effects.allowed is None or (effects.allowed & showable).any(), "rules never empty a placement"
    pinnable_rows = {
        row for row, name in enumerate(IDS) for rule in applying if rule.action == "pin" and name in rule.product_ids
    }
    assert pinnable_rows == set(pinned_rows) | {
        omitted.row for omitted in effects.omitted_pins if omitted.reason != "pinned"
    }
