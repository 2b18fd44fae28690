"""How unusual the time since a customer's last order is, with the figures by which the stage is decided."""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from customers.lifecycle.scoring.stages.derivation import (
    OrderHistories,
    StageThresholds,
    list_category_means,
    to_alive_row,
    to_gap_row,
)
from customers.lifecycle.scoring.stages.gap_kernels import (
    MEMORY,
    compute_guard,
    compute_survival,
    find_time_limits,
    is_guarded,
    predict_log_gap,
)
from customers.lifecycle.scoring.stages.kernels import BY_GAPS_AT, DORMANT_AT, count_category_order
from customers.lifecycle.scoring.stages.order_gaps import DAY


@dataclass(frozen=True)
class GapSummary:
    """One customer's gaps at a moment.

    usual_days: median of the next gap. days: since the last order. own_gaps: completed ones. longer_share: S(t), the probability that a gap
    of this customer lasts longer than that. p_alive, churn: by the purchase model of the rules, None without one. guarded: whether
    they alone keep the customer from being dormant. floor_days: before which nobody is at risk.
    """

    usual_days: float
    days: float
    own_gaps: int
    longer_share: float
    p_alive: float | None
    churn: float | None
    guarded: bool
    floor_days: float = 0.0


def summarize_gaps(*, histories: OrderHistories, thresholds: StageThresholds, as_of: int) -> GapSummary | None:
    """Summarize the gaps of the only customer of the histories before ``as_of`` (microseconds).

    Return None without an order, or where the rules use quantiles.
    """
    counted = histories.is_order & (histories.at < as_of)
    rule = thresholds.gap_rule
    if rule is None or not counted.any():
        return None
    row = np.array(to_gap_row(rule))
    at = histories.at[counted]
    days = np.unique(histories.clock.count_days(at))
    logs = np.log(np.diff(days))
    weights = MEMORY ** np.arange(len(logs))[::-1]
    gaps, weight, log_sum = len(logs), float(weights.sum()), float((weights * logs).sum())
    main = (
        -1 if histories.category is None else find_main_category(histories.category[counted], len(histories.categories))
    )
    prior_mean = list_category_means(rule, histories.categories)[main]
    mean, spread = predict_log_gap(gaps, weight, log_sum, prior_mean, row)
    since = max((as_of - int(at[-1])) / DAY, 1.0 / DAY)
    alive = np.array(to_alive_row(thresholds.alive))
    p_alive = churn = None
    guarded = False
    if thresholds.alive is not None:
        first, last = (histories.clock.get_day_start(int(day)) for day in (days[0], days[-1]))
        p_alive, churn = compute_guard(float(days[-1] - days[0]), (as_of - first) / DAY, gaps, rule.guard_days, alive)
        limits = np.zeros(BY_GAPS_AT + 1, np.int64)
        find_time_limits(int(at[-1]), gaps, weight, log_sum, prior_mean, row, limits)
        guarded = as_of >= limits[DORMANT_AT] and is_guarded(first, last, gaps, as_of, alive, row)
    return GapSummary(
        exp(mean),
        since,
        gaps,
        compute_survival((log(since) - mean) / spread),
        p_alive,
        churn,
        bool(guarded),
        rule.min_days[0],
    )


def find_main_category(category: "np.ndarray", n_categories: int) -> int:
    """Return the category of most orders, of several the one that got there first; −1 for none."""
    orders_by_category, main = np.zeros(n_categories, np.int64), -1
    for code in category.tolist():
        main = count_category_order(orders_by_category, code, main) if n_categories else main
    return main
