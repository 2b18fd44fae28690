"""When a gap becomes unusual: the probabilities, their limits, and the stages that follow, computed by hand."""

from dataclasses import replace
from math import exp, log, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from config.foundation.array_types import NEVER
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.stages.derivation import (
    REASONS,
    AliveRule,
    GapRule,
    OrderHistories,
    StageHistories,
    StageThresholds,
    derive_stages,
    to_alive_row,
    to_gap_row,
)
from customers.lifecycle.scoring.stages.gap_distribution import GapDistribution
from customers.lifecycle.scoring.stages.gap_kernels import (
    compute_gaps_per_year,
    compute_guard,
    compute_survival,
    compute_upper_quantile,
    find_guard_end,
    find_time_limits,
    predict_log_gap,
    standardize_gaps,
)
from customers.lifecycle.scoring.stages.gap_summary import summarize_gaps
from customers.lifecycle.scoring.stages.order_gaps import DAY
from customers.lifecycle.scoring.stages.stage_table import STAGES

NORMAL = NormalDist()
# Two own gaps weigh as much as the shop's mean.
GAPS = GapDistribution(mean=log(30), within=0.36, between=0.18, tail_variance=0.36, category_means={"tea": log(10)})
RULE = GapRule(GAPS)
ROW = np.array(to_gap_row(RULE))
RULES = StageThresholds(
    version=1, second_gap_days=20, median_gap_days=10, active_gap_days=15, dormant_gap_days=30, gap_rule=RULE
)
# Frequent buyers who hardly ever leave, as those of a grocer: P(alive) stays high for weeks.
LOYAL_SHOP = AliveRule(r=2.0, alpha=10.0, a=0.02, b=2.0, modified=True, min_alive=0.0)


def weigh(gaps: int) -> float:
    """Return the weight of equal gaps, each of which counts 0.9 times the next one."""
    return (1 - 0.9**gaps) / (1 - 0.9)


def make_histories(orders: list[float], *, amounts: list[int] | None = None, category: int = -1) -> OrderHistories:
    """Return the history of customer 7, who ordered on these days."""
    at = np.array([round(day * DAY) for day in orders], np.int64)
    return OrderHistories(
        customer=np.array([7]),
        known_at=at[:1],
        identified_at=np.array([NEVER]),
        start=np.array([0, len(at)]),
        at=at,
        amount=np.array(amounts or [100] * len(at), np.int64),
        is_order=np.ones(len(at), np.bool_),
        category=np.full(len(at), category),
        categories=("tea",),
        clock=UTC_CLOCK,
    )


def derive(
    orders: list[float], as_of: float, *, rules: StageThresholds = RULES, limit: int = NEVER, **more: object
) -> StageHistories:
    return derive_stages(
        histories=make_histories(orders, **more),  # type: ignore[arg-type]
        versions=[rules],
        as_of=round(as_of * DAY),
        time_limit=limit,
    )


def derive_stage(orders: list[float], as_of: float, **more: object) -> str:
    return STAGES[derive(orders, as_of, **more).stage[0]]  # type: ignore[arg-type]


def list_changes(histories: StageHistories) -> list[tuple[str, str]]:
    return [
        (STAGES[after], REASONS[reason]) for after, reason in zip(histories.to_stage, histories.reason, strict=True)
    ]


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1, 0.05, 0.01, 1e-4, 1e-9])
def test_the_upper_quantile_is_that_of_the_normal_distribution(share: float) -> None:
    assert compute_upper_quantile(share) == pytest.approx(NORMAL.inv_cdf(1 - share), abs=2e-6)
    assert compute_survival(compute_upper_quantile(share)) == pytest.approx(share, rel=1e-5)


def test_own_gaps_are_shrunk_to_the_shop() -> None:
    # λ = 0.36 / 0.18 = 2: two gaps of 6 days weigh as much as the shop's 30 days
    mean, spread = predict_log_gap(2, 1.9, 1.9 * log(6), log(30), ROW)
    assert mean == pytest.approx((log(6) + log(30)) / 2)
    assert spread == pytest.approx(sqrt(0.36 * (1 + 1 / 3.9)))
    assert predict_log_gap(0, 0.0, 0.0, log(30), ROW) == (pytest.approx(log(30)), pytest.approx(sqrt(0.36 * 1.5)))


def test_deviations_are_from_what_earlier_gaps_predict() -> None:
    owner, logs = np.array([1, 1, 1, 2]), np.log([10.0, 20.0, 5.0, 30.0])
    found = standardize_gaps(owner, logs, np.full(4, log(30)), 2.0)
    second = (log(10) + 2 * log(30)) / 3
    third = (2 * (0.9 * log(10) + log(20)) / 1.9 + 2 * log(30)) / 4
    expected = [
        (log(10) - log(30)) / sqrt(1.5),
        (log(20) - second) / sqrt(1 + 1 / 3),
        (log(5) - third) / sqrt(1 + 1 / 3.9),
        0.0,
    ]
    assert found == pytest.approx(expected)


def test_gaps_per_year_count_only_the_share_of_orders_that_are_followed() -> None:
    assert compute_gaps_per_year(0, log(30), ROW) == 0.0
    assert compute_gaps_per_year(9, log(30), ROW) == pytest.approx(0.9 * 365.25 / (30 * exp(0.18)))


def test_limits_are_the_larger_of_the_floor_and_the_rare_gap() -> None:
    limits = np.zeros(4, np.int64)
    find_time_limits(0, 0, 0.0, 0.0, log(30), ROW, limits)
    spread = sqrt(0.36 * 1.5)
    # without own gaps, no false alarm is expected, so the shares are the largest ones
    expected = [30 * exp(spread * NORMAL.inv_cdf(1 - share)) for share in (0.25, 0.10, 0.05)]
    assert limits[:3] / DAY == pytest.approx(expected, abs=1e-3)
    # 700 orders, one every half day: about 300 gaps per year, so every share is alarms ÷ gaps, but the floors are longer
    find_time_limits(0, 350, weigh(350), 0.0, log(30), ROW, limits)
    assert limits[:3].tolist() == [7 * DAY, 14 * DAY, 30 * DAY]
    # a weekly buyer: 1 − S(t) so that a longer gap happens once a year
    weight = weigh(100)
    find_time_limits(0, 100, weight, weight * log(7.0), log(30), ROW, limits)
    mean = (100 * log(7) + 2 * log(30)) / 102
    share = 1.0 / (100 / 101 * 365.25 / exp(mean + 0.18))
    expected_at_risk = exp(mean + 0.6 * sqrt(1 + 1 / (weight + 2)) * NORMAL.inv_cdf(1 - share))
    assert limits[0] / DAY == pytest.approx(expected_at_risk, abs=1e-3)


def test_stages_follow_the_limits() -> None:
    limits = np.zeros(4, np.int64)
    find_time_limits(0, 0, 0.0, 0.0, log(30), ROW, limits)
    at_risk, dormant, churned = (limits[:3] / DAY).tolist()
    minute = 2 / 1440
    assert derive_stage([0], 19.9) == "new"
    assert derive_stage([0], at_risk - minute) == "active"
    assert derive_stage([0], at_risk + minute) == "at_risk"
    assert derive_stage([0], dormant + minute) == "dormant"
    assert derive_stage([0], churned + minute) == "churned"
    assert list_changes(derive([0], 400)) == [
        ("new", "first_order"),
        ("active", "gap_active"),
        ("at_risk", "gap_long"),
        ("dormant", "gap_rare"),
        ("churned", "gap_churned"),
    ]
    assert derive([0], 40).next_change_at[0] == limits[0]


def test_the_main_category_has_its_own_rhythm() -> None:
    assert derive_stage([0], 35) == "active"
    assert derive_stage([0], 35, category=0) == "churned"


def test_floors_protect_the_most_frequent_buyers() -> None:
    daily = [float(day) for day in range(200)]
    assert derive_stage(daily, 199 + 6.9) == "loyal"
    assert derive_stage(daily, 199 + 7.1) == "at_risk"
    assert derive_stage(daily, 199 + 13.9) == "at_risk"
    assert derive_stage(daily, 199 + 29.9) == "dormant"
    assert derive_stage(daily, 199 + 30.1) == "churned"


def test_a_customer_with_700_orders_is_loyal_after_a_quiet_week() -> None:
    orders = [number / 2 for number in range(700)]
    histories = derive(orders, orders[-1] + 5)
    assert STAGES[histories.stage[0]] == "loyal"
    assert [after for after, _reason in list_changes(histories)] == ["new", "active", "loyal"]


def test_a_weekly_buyer_changes_at_most_twice_in_a_year() -> None:
    draws = np.random.default_rng(8)
    gaps = 7 * np.exp(draws.normal(0, 0.4, 110))
    orders = np.cumsum(gaps)
    begin = float(orders[50])
    histories = derive(orders.tolist(), begin + 365)
    assert int((histories.at >= round(begin * DAY)).sum()) <= 2
    quantiles = replace(RULES, gap_rule=None)
    by_quantiles = derive(orders.tolist(), begin + 365, rules=quantiles)
    assert int((by_quantiles.at >= round(begin * DAY)).sum()) > 10


def test_loyal_counts_the_revenue_of_twelve_months() -> None:
    rules = replace(RULES, loyal_revenue=1000, loyal_orders=100)
    orders = [30.0 * number for number in range(14)]
    amounts = [900, *[10] * 13]
    assert derive_stage(orders[:13], 361, rules=rules, amounts=amounts[:13]) == "loyal"
    assert derive_stage(orders, 391, rules=rules, amounts=amounts) == "active", "the first order is 390 days old"


def test_a_returning_customer_is_reactivated_for_a_median_gap_unless_absent_again() -> None:
    orders = [0.0, 30, 200]
    assert derive_stage(orders, 205) == "reactivated"
    assert derive_stage(orders, 211) == "active"
    hasty = replace(RULES, median_gap_days=100.0)
    daily = [float(day) for day in range(100)]
    assert derive_stage([*daily, 200], 213, rules=hasty) == "at_risk"


def test_the_guard_postpones_dormant_until_it_ends() -> None:
    daily = [float(day) for day in range(100)]
    rules = replace(RULES, alive=LOYAL_SHOP)
    # P(alive) by hand: x = 99, t_x = 99, T = 114
    p_alive, churn = compute_guard(99.0, 114.0, 99, 30.0, np.array(to_alive_row(LOYAL_SHOP)))
    assert p_alive == pytest.approx(1 / (1 + 0.02 / 101 * (124 / 109) ** 101))
    assert churn == pytest.approx(1 - p_alive * (1 - (124 / 154) ** 101))
    guarded = replace(rules, gap_rule=replace(RULE, guard_alive=0.0, guard_churn=1.0))
    assert derive_stage(daily, 99 + 60, rules=guarded) == "at_risk", "a guard that always holds"
    assert derive_stage(daily, 99 + 15, rules=replace(rules, gap_rule=replace(RULE, guard_alive=1.0))) == "dormant"


def test_the_guard_ends_at_the_moment_that_the_stage_changes() -> None:
    orders = [10.0 * number for number in range(6)]
    rare = replace(RULE, min_days=(7.0, 8.0, 90.0), max_shares=(0.5, 0.5, 0.05), alarms=(99.0, 99.0, 0.025))
    guard = replace(rare, guard_alive=0.9, guard_churn=0.6, guard_days=14.0)
    alive = replace(LOYAL_SHOP, a=0.05)
    rules = replace(RULES, gap_rule=guard, alive=alive)
    row, alive_row = np.array(to_gap_row(guard)), np.array(to_alive_row(alive))
    limits = np.zeros(4, np.int64)
    find_time_limits(50 * DAY, 5, weigh(5), weigh(5) * log(10), log(30), row, limits)
    end = find_guard_end(0, 50 * DAY, 5, limits[1], alive_row, row)
    assert end > limits[1], "the guard holds when the gap becomes long enough"
    before = compute_guard(50.0, end / DAY - 1.5 / 24, 5, 14.0, alive_row)
    after = compute_guard(50.0, end / DAY, 5, 14.0, alive_row)
    assert before[0] >= 0.9
    assert before[1] <= 0.6
    assert after[0] < 0.9 or after[1] > 0.6
    histories = derive(orders, end / DAY + 0.1, rules=rules)
    assert list_changes(histories)[-1] == ("dormant", "guard_ended")
    assert histories.at[-1] == end
    summary = summarize_gaps(histories=make_histories(orders), thresholds=rules, as_of=end - DAY // 4)
    assert summary is not None
    assert summary.guarded
    assert derive_stage(orders, (end - DAY / 4) / DAY, rules=rules) == "at_risk"


def test_time_changes_nothing_after_the_limit() -> None:
    frozen = derive([0], 500, limit=30 * DAY)
    assert STAGES[frozen.stage[0]] == "active"
    assert frozen.next_change_at[0] == derive([0], 30).next_change_at[0], "the change stays scheduled"
    running = derive([0], 500)
    assert list_changes(frozen) == list_changes(running)[:2]


def test_new_rules_and_later_facts_do_not_let_missing_time_count() -> None:
    new_rules = replace(RULES, version=2, effective_from=300 * DAY)
    histories = derive_stages(
        histories=make_histories([0]), versions=[RULES, new_rules], as_of=400 * DAY, time_limit=30 * DAY
    )
    assert STAGES[histories.stage[0]] == "active"


def test_versions_of_both_methods_keep_their_own_past() -> None:
    quantiles = replace(RULES, gap_rule=None)
    by_gaps = replace(RULES, version=2, effective_from=62 * DAY)
    histories = derive_stages(histories=make_histories([0]), versions=[quantiles, by_gaps], as_of=65 * DAY)
    assert list_changes(histories) == [
        ("new", "first_order"),
        ("at_risk", "gap_long"),
        ("dormant", "gap_dormant"),
        ("churned", "gap_churned"),
        ("at_risk", "rules"),
    ]
    assert histories.version.tolist() == [1, 1, 1, 1, 2]


def test_the_summary_says_what_the_stage_is_decided_by() -> None:
    orders = [6.0 * number for number in range(60)]
    summary = summarize_gaps(histories=make_histories(orders), thresholds=RULES, as_of=round((orders[-1] + 23) * DAY))
    assert summary is not None
    weight = weigh(59)
    mean = (59 * log(6) + 2 * log(30)) / 61
    assert summary.usual_days == pytest.approx(exp(mean))
    assert (summary.days, summary.own_gaps, summary.p_alive, summary.guarded) == (pytest.approx(23), 59, None, False)
    spread = sqrt(0.36 * (1 + 1 / (weight + 2)))
    assert summary.longer_share == pytest.approx(1 - NORMAL.cdf((log(23) - mean) / spread))
    without_rule = replace(RULES, gap_rule=None)
    assert summarize_gaps(histories=make_histories(orders), thresholds=without_rule, as_of=NEVER) is None
