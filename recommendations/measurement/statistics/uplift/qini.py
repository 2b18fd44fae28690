"""How good a ranking by uplift is: Qini curve, Qini coefficient, AUUC and uplift at a share.

Each takes n customers of a randomized test: treated (n,), outcome (n,), at least 0, and score (n,), the highest first. Ties are one step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats
from config.foundation.statistics import ConfidenceInterval

DRAWS = 200
TOP_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class UpliftCurve:
    """count: (m,), customers from the top, from 0 to n. gain: (m,), the additional outcomes among them."""

    count: Floats
    gain: Floats

    @property
    def area(self) -> float:
        """The area under the curve, minus that under the straight line of a random order."""
        return float(np.trapezoid(self.gain, self.count) - self.count[-1] * self.gain[-1] / 2)


type CurveFunction = Callable[[Flags, Floats, Floats], UpliftCurve]


def compute_qini_curve(treated: Flags, outcome: Floats, score: Floats) -> UpliftCurve:
    """Return the Qini curve: Y_T(k) − Y_C(k) · n_T(k) / n_C(k) among the k customers with the highest scores.

    Y and n count outcomes and customers of treated and control. The unit is additional outcomes of the treated. Source: Radcliffe,
    "Using Control Groups to Target on Predicted Lift", Direct Marketing Analytics Journal 2007.
    """
    count, treated_n, treated_y, control_y = cumulate(treated, outcome, score)
    control_n = count - treated_n
    ratio = np.divide(treated_n, control_n, out=np.zeros_like(count), where=control_n > 0)
    return UpliftCurve(count, treated_y - control_y * ratio)


def compute_uplift_curve(treated: Flags, outcome: Floats, score: Floats) -> UpliftCurve:
    """Return the uplift curve: k · (Y_T(k)/n_T(k) − Y_C(k)/n_C(k)), the additional outcomes if all k customers were treated."""
    count, treated_n, treated_y, control_y = cumulate(treated, outcome, score)
    control_n = count - treated_n
    rate = np.divide(treated_y, treated_n, out=np.zeros_like(count), where=treated_n > 0)
    control_rate = np.divide(control_y, control_n, out=np.zeros_like(count), where=control_n > 0)
    return UpliftCurve(count, count * (rate - control_rate))


def compute_qini_coefficient(treated: Flags, outcome: Floats, score: Floats) -> float:
    """Return the Qini coefficient: the area between the Qini curve and the random line ÷ that of the perfect order.

    0 is a random order, 1 the perfect one: treated customers with an outcome first, control customers with one last. Defined like
    this by Radcliffe (2007) and in scikit-uplift's qini_auc_score. NaN if the perfect order is no better than a random one.
    """
    return compare_with_perfect(compute_qini_curve, treated, outcome, score)


def compute_auuc(treated: Flags, outcome: Floats, score: Floats) -> float:
    """Return the AUUC: the area between the uplift curve and the random line ÷ that of the perfect order; 0 is a random order.

    As in scikit-uplift's uplift_auc_score.
    """
    return compare_with_perfect(compute_uplift_curve, treated, outcome, score)


def compare_with_perfect(compute_curve: CurveFunction, treated: Flags, outcome: Floats, score: Floats) -> float:
    perfect = compute_curve(treated, outcome, np.where(treated, outcome, -outcome)).area
    return compute_curve(treated, outcome, score).area / perfect if perfect > 0 else float("nan")


def cumulate(treated: Flags, outcome: Floats, score: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the cumulated customers, treated customers, and outcomes of treated and control, from the highest score, starting with 0."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if len(order) else np.array([], np.int64)
    t, y = treated[order].astype(np.float64), outcome[order].astype(np.float64)
    cumulated = (np.cumsum(values)[last] for values in (np.ones(len(order)), t, t * y, (1 - t) * y))
    count, treated_n, treated_y, control_y = (np.concatenate(([0.0], values)) for values in cumulated)
    return count, treated_n, treated_y, control_y


def compute_uplift_at(treated: Flags, outcome: Floats, score: Floats, *, share: float = TOP_SHARE) -> float:
    """Return the difference of the mean outcomes of treated and control among the share of customers with the highest scores."""
    top = np.argsort(-score, kind="stable")[: max(int(len(score) * share), 1)]
    y, t = outcome[top], treated[top]
    return float(y[t].mean() - y[~t].mean()) if t.any() and not t.all() else float("nan")


def bootstrap_qini(
    treated: Flags, outcome: Floats, score: Floats, *, seed: int, draws: int = DRAWS, level: float = 0.95
) -> ConfidenceInterval:
    """Return the Qini coefficient with its percentile bootstrap interval: customers are drawn again, the scores stay."""
    value = compute_qini_coefficient(treated, outcome, score)
    rng = np.random.default_rng(seed)
    # Only the order of the scores matters, and small integers sort faster.
    rank = np.unique(score, return_inverse=True)[1].astype(np.float64)
    found = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(0, len(score), len(score))
        found[draw] = compute_qini_coefficient(treated[rows], outcome[rows], rank[rows])
    found = found[np.isfinite(found)]
    if not len(found):
        return ConfidenceInterval(value, float("nan"), float("nan"))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return ConfidenceInterval(value, float(low), float(high))
