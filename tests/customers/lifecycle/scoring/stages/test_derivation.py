"""Stages computed by hand: every stage, every border, every reason."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.foundation.array_types import NEVER
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.models import Stage, StageTransition
from customers.lifecycle.scoring.stages.derivation import (
    REASONS,
    AliveRule,
    OrderHistories,
    StageHistories,
    StageThresholds,
    derive_stages,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY
from customers.lifecycle.scoring.stages.stage_table import STAGES

# no personal gaps and no loyalty by revenue, unless a test sets them
RULES = StageThresholds(
    version=1,
    second_gap_days=20,
    median_gap_days=10,
    active_gap_days=15,
    dormant_gap_days=30,
    churned_multiple=2,
    own_gaps_from_orders=1000,
    loyal_orders=5,
)
MOMENT = 1 / DAY  # a microsecond in days


def days(value: float) -> int:
    return round(value * DAY)


def derive(
    orders: list[float],
    as_of: float,
    *,
    returns: dict[float, int] | None = None,
    amount: int = 100,
    known_at: float | None = None,
    identified_at: float | None = None,
    versions: list[StageThresholds] | None = None,
    categories: dict[float, int] | None = None,
) -> StageHistories:
    """Derive the stages of customer 7, who ordered on these days.

    By default the customer is known from the first order.
    """
    facts = sorted(
        [(days(day), amount, True) for day in orders]
        + [(days(day), -back, False) for day, back in (returns or {}).items()]
    )
    first = facts[0][0] if facts else 0
    return derive_stages(
        histories=OrderHistories(
            customer=np.array([7]),
            known_at=np.array([first if known_at is None else days(known_at)]),
            identified_at=np.array([NEVER if identified_at is None else days(identified_at)]),
            start=np.array([0, len(facts)]),
            at=np.array([fact[0] for fact in facts], np.int64),
            amount=np.array([fact[1] for fact in facts], np.int64),
            is_order=np.array([fact[2] for fact in facts], bool),
            category=np.array([(categories or {}).get(fact[0] / DAY, -1) for fact in facts], np.int64),
            categories=("tea", "shoes"),
            clock=UTC_CLOCK,
        ),
        versions=versions or [RULES],
        as_of=days(as_of),
    )


def derive_stage(orders: list[float], as_of: float, **more: object) -> str:
    return STAGES[derive(orders, as_of, **more).stage[0]]


def list_changes(histories: StageHistories) -> list[tuple[str, str, float, str]]:
    """Return stage before, stage after, day and reason of each change."""
    return [
        (STAGES[before] if before >= 0 else "", STAGES[after], at / DAY, REASONS[reason])
        for before, after, at, reason in zip(
            histories.from_stage, histories.to_stage, histories.at, histories.reason, strict=True
        )
    ]


def test_the_codes_match_the_models() -> None:
    assert list(STAGES) == Stage.values
    assert list(REASONS) == StageTransition.Reason.values


def test_a_device_alone_is_a_visitor_until_identified() -> None:
    assert derive_stage([], 5, known_at=0) == "visitor"
    assert derive_stage([], 5, known_at=0, identified_at=4.9) == "prospect"
    assert derive_stage([], 5, known_at=0, identified_at=5) == "visitor"  # facts at as_of do not count
    histories = derive([], 9, known_at=1, identified_at=4)
    assert list_changes(histories) == [("", "visitor", 1, "first_seen"), ("visitor", "prospect", 4, "identified")]
    assert histories.next_change_at[0] == NEVER


def test_a_prospect_becomes_new_with_the_first_order() -> None:
    histories = derive([6], 7, known_at=1, identified_at=1)
    assert list_changes(histories) == [("", "prospect", 1, "identified"), ("prospect", "new", 6, "first_order")]


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (MOMENT, "new"),
        (20 - MOMENT, "new"),
        (20, "at_risk"),  # the time to a second order is longer than an active gap here
        (30, "at_risk"),
        (30 + MOMENT, "dormant"),
        (60, "dormant"),
        (60 + MOMENT, "churned"),
        (4000, "churned"),
    ],
)
def test_stages_after_one_order(age: float, expected: str) -> None:
    assert derive_stage([100], 100 + age) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (MOMENT, "active"),
        (15 - MOMENT, "active"),
        (15, "at_risk"),
        (30, "at_risk"),
        (30 + MOMENT, "dormant"),
        (60, "dormant"),
        (60 + MOMENT, "churned"),
    ],
)
def test_stages_after_two_orders(age: float, expected: str) -> None:
    assert derive_stage([90, 100], 100 + age) == expected


def test_a_new_customer_is_active_where_second_orders_come_fast() -> None:
    quick_rules = replace(RULES, second_gap_days=5)
    assert derive_stage([0], 4.9, versions=[quick_rules]) == "new"
    assert list_changes(derive([0], 6, versions=[quick_rules]))[-1] == ("new", "active", 5, "gap_active")


def test_loyal_by_orders_begins_with_the_fifth_and_ends_with_the_gap() -> None:
    orders = [0.0, 10, 20, 30, 40]
    assert derive_stage(orders[:4], 35) == "active"
    assert derive_stage(orders, 41) == "loyal"
    assert derive_stage(orders, 55) == "at_risk"
    assert list_changes(derive(orders, 41))[-1] == ("active", "loyal", 40, "loyal_orders")


def test_loyal_by_revenue_counts_net_revenue() -> None:
    rules = [replace(RULES, loyal_revenue=1000)]
    assert derive_stage([0, 10], 11, amount=500, versions=rules) == "loyal"
    assert derive_stage([0, 10], 11, amount=499, versions=rules) == "active"
    histories = derive([0, 10], 13, amount=500, returns={12: 1}, versions=rules)
    assert list_changes(histories)[-2:] == [
        ("new", "loyal", 10, "loyal_revenue"),
        ("loyal", "active", 12, "orders_changed"),
    ]


def test_a_return_is_not_an_order() -> None:
    assert derive_stage([0], 25, returns={24: 100}) == "at_risk"
    assert derive_stage([], 25, known_at=0, identified_at=0, returns={24: 100}) == "prospect"


def test_a_dormant_customer_who_orders_is_reactivated_for_a_median_gap() -> None:
    assert derive_stage([0, 5, 36], 37) == "reactivated"
    assert derive_stage([0, 5, 36], 46 - MOMENT) == "reactivated"
    histories = derive([0, 5, 36], 200)
    assert list_changes(histories)[3:] == [
        ("at_risk", "dormant", pytest.approx(35 + MOMENT), "gap_dormant"),
        ("dormant", "reactivated", 36, "returned"),
        ("reactivated", "active", 46, "gap_active"),
        ("active", "at_risk", 51, "gap_long"),
        ("at_risk", "dormant", pytest.approx(66 + MOMENT), "gap_dormant"),
        ("dormant", "churned", pytest.approx(96 + MOMENT), "gap_churned"),
    ]


def test_a_churned_customer_who_orders_is_reactivated() -> None:
    assert list_changes(derive([0, 5, 100], 101))[-1] == ("churned", "reactivated", 100, "returned")


def test_an_at_risk_customer_who_orders_is_active() -> None:
    assert list_changes(derive([0, 5, 30], 31))[-1] == ("at_risk", "active", 30, "ordered")


def test_another_order_does_not_prolong_the_reactivated_stage() -> None:
    assert derive_stage([0, 5, 40, 45], 50 - MOMENT) == "reactivated"
    assert derive_stage([0, 5, 40, 45], 50) == "active"


def test_an_order_at_as_of_does_not_count() -> None:
    assert derive_stage([0, 50], 50) == "dormant"
    assert derive_stage([0, 50], 50 + MOMENT) == "reactivated"


def test_own_gaps_count_from_the_fourth_order() -> None:
    own_gap_rules = [replace(RULES, own_gaps_from_orders=4)]
    orders = [0.0, 2, 6, 12]  # gaps 2, 4, 6: quantiles 5 and 5.6 days
    assert derive_stage(orders[:3], 6 + 14.9, versions=own_gap_rules) == "active"
    assert derive_stage(orders, 12 + 5 - MOMENT, versions=own_gap_rules) == "active"
    assert derive_stage(orders, 12 + 5, versions=own_gap_rules) == "at_risk"
    assert derive_stage(orders, 12 + 5.6, versions=own_gap_rules) == "at_risk"
    assert derive_stage(orders, 12 + 5.6 + MOMENT, versions=own_gap_rules) == "dormant"
    assert derive_stage(orders, 12 + 11.2 + MOMENT, versions=own_gap_rules) == "churned"


def test_own_gaps_are_at_least_a_day() -> None:
    own_gap_rules = [replace(RULES, own_gaps_from_orders=4)]
    assert derive_stage([0, 0.1, 0.2, 0.3], 1.2, versions=own_gap_rules) == "active"
    assert (
        derive_stage([0, 0.1, 0.2, 0.3], 1.4, versions=own_gap_rules) == "dormant"
    )  # both quantiles are a day, so there is no stage in between


def test_orders_of_one_moment_count_as_orders_but_not_as_gaps() -> None:
    own_gap_rules = [replace(RULES, own_gaps_from_orders=4)]
    histories = derive([0, 0, 0, 0, 0], 1, versions=own_gap_rules)
    assert list_changes(histories) == [("", "loyal", 0, "loyal_orders")]
    assert histories.next_change_at[0] == days(15)


def test_the_next_change_happens_at_the_predicted_moment() -> None:
    histories = derive([0, 5], 6)
    assert histories.next_change_at[0] == days(20)
    assert histories.since[0] == days(5)
    later = derive([0, 5], 20)
    assert STAGES[later.stage[0]] == "at_risk"
    assert later.next_change_at[0] == days(35) + 1


def test_new_rules_apply_from_their_time_and_leave_the_past_unchanged() -> None:
    strict_rules = replace(RULES, version=2, active_gap_days=3, effective_from=days(10))
    histories = derive([0, 5], 40, versions=[RULES, strict_rules])
    assert list_changes(histories) == [
        ("", "new", 0, "first_order"),
        ("new", "active", 5, "ordered"),
        ("active", "at_risk", 10, "rules"),
        ("at_risk", "dormant", pytest.approx(35 + MOMENT), "gap_dormant"),
    ]
    assert histories.version.tolist() == [1, 1, 2, 2]


def test_rules_without_a_time_apply_to_the_whole_history() -> None:
    strict_rules = replace(RULES, version=2, active_gap_days=3)
    histories = derive([0, 5], 9, versions=[RULES, strict_rules])
    assert list_changes(histories)[-1] == ("active", "at_risk", 8, "gap_long")
    assert set(histories.version.tolist()) == {2}


def test_rules_that_begin_after_as_of_change_nothing() -> None:
    strict_rules = replace(RULES, version=2, active_gap_days=3, effective_from=days(10))
    assert list_changes(derive([0, 5], 9, versions=[RULES, strict_rules])) == list_changes(derive([0, 5], 9))


def test_customers_do_not_affect_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many customers at once, in several chunks, have the same stages as each alone."""
    monkeypatch.setattr("customers.lifecycle.scoring.stages.derivation.CHUNK_SIZE", 2)
    order_days = [[0.0, 5, 36], [3.0], [1.0, 2, 3, 4, 5, 90], [40.0], [0.0, 70]]
    single_histories = [derive(orders, 100) for orders in order_days]
    at = np.concatenate([[days(day) for day in orders] for orders in order_days])
    all_histories = derive_stages(
        histories=OrderHistories(
            customer=np.arange(11, 16),
            known_at=np.array([days(orders[0]) for orders in order_days]),
            identified_at=np.full(5, NEVER),
            start=np.cumsum([0, *(len(orders) for orders in order_days)]),
            at=at,
            amount=np.full(len(at), 100),
            is_order=np.ones(len(at), bool),
            clock=UTC_CLOCK,
        ),
        versions=[RULES],
        as_of=days(100),
    )
    assert all_histories.stage.tolist() == [int(histories.stage[0]) for histories in single_histories]
    assert all_histories.customer.tolist() == [
        11 + index for index, histories in enumerate(single_histories) for _move in histories.at
    ]
    assert list_changes(all_histories) == [move for histories in single_histories for move in list_changes(histories)]


@given(
    orders=st.lists(st.floats(0, 200), min_size=1, max_size=12).map(sorted),
    earlier=st.floats(200.001, 300),
    later=st.floats(300, 500),
    more=st.lists(st.floats(300.5, 499), max_size=3),
)
def test_later_facts_never_change_the_history(
    orders: list[float], earlier: float, later: float, more: list[float]
) -> None:
    own_gap_rules = [replace(RULES, own_gaps_from_orders=4, loyal_revenue=700)]
    before = derive(orders, earlier, versions=own_gap_rules)
    after = derive(sorted([*orders, *more]), later, versions=own_gap_rules)
    assert list_changes(after)[: len(list_changes(before))] == list_changes(before)
    assert (after.at[len(before.at) :] > days(earlier)).all()


@given(orders=st.lists(st.floats(0, 200), min_size=1, max_size=12).map(sorted), as_of=st.floats(200.001, 400))
def test_every_change_begins_where_the_last_one_ended(orders: list[float], as_of: float) -> None:
    histories = derive(orders, as_of, versions=[replace(RULES, own_gaps_from_orders=4)])
    assert histories.from_stage[0] == -1
    assert histories.from_stage[1:].tolist() == histories.to_stage[:-1].tolist()
    assert (np.diff(histories.at) > 0).all()
    assert (histories.from_stage != histories.to_stage).all()
    assert (histories.stage[0], histories.since[0]) == (histories.to_stage[-1], histories.at[-1])
    assert histories.next_change_at[0] > days(as_of)


def test_invalid_arguments_are_rejected_by_name() -> None:
    with pytest.raises(ValueError, match="at least one version"):
        derive_stages(histories=_make_no_histories(), versions=[], as_of=1)
    with pytest.raises(ValueError, match="known at or after as_of"):
        derive([5], 5)


def test_no_customers_have_no_changes() -> None:
    assert derive_stages(histories=_make_no_histories(), versions=[RULES], as_of=1).at.shape == (0,)


def _make_no_histories() -> OrderHistories:
    nothing = np.empty(0, np.int64)
    return OrderHistories(
        nothing, nothing, nothing, np.zeros(1, np.int64), nothing, nothing, nothing.astype(bool), clock=UTC_CLOCK
    )


# CDNOW's BG/NBD (Fader, Hardie & Lee 2005), weeks to days
CDNOW = AliveRule(r=0.243, alpha=4.414 * 7, a=0.793, b=2.426, modified=False)


def p_alive(rule: AliveRule, repeats: int, recency: float, age: float) -> float:
    dropped = rule.a / (rule.b + repeats - (0 if rule.modified else 1))
    return 1 / (1 + dropped * ((rule.alpha + age) / (rule.alpha + recency)) ** (rule.r + repeats))


@pytest.mark.parametrize("modified", [False, True])
@pytest.mark.parametrize(
    "orders", [[0.0, 4, 9, 13, 20, 22], [0.0, 6], [0.0, 6, 6.2], [0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]
)
def test_a_customer_has_churned_when_p_alive_falls_below_the_minimum(orders: list[float], modified: bool) -> None:
    alive = replace(CDNOW, modified=modified)
    rules = replace(RULES, churned_multiple=1000.0, alive=alive)
    histories = derive(orders, 20_000, versions=[rules])
    before, after, at, reason = list_changes(histories)[-1]
    assert (before, after) in {("dormant", "churned"), ("at_risk", "churned")}
    assert reason == "alive_low"
    repeats = len({int(day) for day in orders}) - 1
    if at > orders[-1] + 30 + 1e-6:
        assert p_alive(alive, repeats, int(orders[-1]), at) == pytest.approx(0.2, abs=1e-4)
    else:
        assert p_alive(alive, repeats, int(orders[-1]), at) < 0.2, (
            "it fell below the minimum before the gap was dormant"
        )
    assert derive_stage(orders, at - 0.01, versions=[rules]) == before


def test_p_alive_counts_only_while_a_customer_is_dormant() -> None:
    busy = [float(day) for day in range(60)]
    rules = replace(RULES, alive=CDNOW)
    histories = list_changes(derive(busy, 500, versions=[rules]))
    assert histories[-1][1:] == ("churned", pytest.approx(59 + 30, abs=1e-6), "alive_low")
    slow = list_changes(derive([0.0, 200], 2000, versions=[replace(RULES, alive=replace(CDNOW, alpha=10_000.0))]))
    assert slow[-1][1:] == ("churned", pytest.approx(200 + 60, abs=1e-6), "gap_churned")


def test_after_one_order_only_mbg_nbd_can_make_a_customer_churned() -> None:
    rules = replace(RULES, churned_multiple=300.0, alive=CDNOW)
    assert list_changes(derive([0.0], 40_000, versions=[rules]))[-1][3] == "gap_churned"
    modified = replace(rules, alive=replace(CDNOW, modified=True, r=0.6))
    histories = list_changes(derive([0.0], 40_000, versions=[modified]))[-1]
    assert histories[3] == "alive_low"
    assert p_alive(replace(CDNOW, modified=True, r=0.6), 0, 0, histories[2]) == pytest.approx(0.2, abs=1e-4)


def test_without_personal_gaps_those_of_the_main_category_count() -> None:
    rules = replace(RULES, category_gaps={"shoes": (100.0, 200.0)})
    orders = [0.0, 5, 10]
    assert derive_stage(orders, 30, versions=[rules]) == "at_risk"  # of no category: 15 days of the shop
    assert (
        derive_stage(orders, 30, versions=[rules], categories={0.0: 0, 5.0: 0, 10.0: 1}) == "at_risk"
    )  # tea has no gaps
    shoes = {0.0: 1, 5.0: 0, 10.0: 1}
    assert derive_stage(orders, 109, versions=[rules], categories=shoes) == "active"
    assert derive_stage(orders, 111, versions=[rules], categories=shoes) == "at_risk"
    assert derive_stage(orders, 211, versions=[rules], categories=shoes) == "dormant"
    own_gap_rules = replace(rules, own_gaps_from_orders=3)
    assert derive_stage(orders, 30, versions=[own_gap_rules], categories=shoes) == "churned"  # own gaps of five days


def test_a_later_order_of_another_category_changes_no_earlier_stage() -> None:
    rules = replace(RULES, category_gaps={"shoes": (40.0, 50.0)})
    early = list_changes(derive([0.0, 3], 60, versions=[rules], categories={0.0: 1, 3.0: 1}))
    late = list_changes(
        derive([0.0, 3, 70, 75, 80], 81, versions=[rules], categories={0.0: 1, 3.0: 1, 70.0: 0, 75.0: 0, 80.0: 0})
    )
    assert late[: len(early)] == early
    assert ("active", "at_risk", 43, "gap_long") in early
