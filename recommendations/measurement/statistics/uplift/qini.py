"""How good a ranking by uplift is: Qini curve, Qini coefficient, AUUC and uplift at a share.

Each takes n customers of a randomized test: treated (n,), outcome (n,), at least 0, and score (n,), the highest first. Ties are one step.
With rows of several tests, ``propensity`` (n,), the probability of the treatment of each row, is needed: a test with a large control group
and many orders would otherwise look like a harmful treatment of those who order often. Weights of the inverse propensity make the groups
comparable; with the same propensity everywhere, they change nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
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


type CurveFunction = Callable[[Flags, Floats, Floats, Floats | None], UpliftCurve]


def compute_qini_curve(treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None = None) -> UpliftCurve:
    """Return the Qini curve: Y_T(k) − Y_C(k) · n_T(k) / n_C(k) among the k customers with the highest scores.

    Y and n count outcomes and customers of treated and control; those of control have the weight e/(1 − e), so that they stand for the
    treated. The unit is additional outcomes of the treated. Source: Radcliffe, "Using Control Groups to Target on Predicted Lift",
    Direct Marketing Analytics Journal 2007.
    """
    weight = np.ones(len(score)) if propensity is None else np.where(treated, 1.0, propensity / (1 - propensity))
    count, treated_n, treated_y, control_n, control_y = cumulate(treated, outcome, score, weight)
    ratio = np.divide(treated_n, control_n, out=np.zeros_like(count), where=control_n > 0)
    return UpliftCurve(count, treated_y - control_y * ratio)


def compute_uplift_curve(
    treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None = None
) -> UpliftCurve:
    """Return the uplift curve: k · (Y_T(k)/n_T(k) − Y_C(k)/n_C(k)), the additional outcomes if all k customers were treated.

    The weights are 1/e and 1/(1 − e).
    """
    weight = weight_by_propensity(treated, propensity)
    count, treated_n, treated_y, control_n, control_y = cumulate(treated, outcome, score, weight)
    rate = np.divide(treated_y, treated_n, out=np.zeros_like(count), where=treated_n > 0)
    control_rate = np.divide(control_y, control_n, out=np.zeros_like(count), where=control_n > 0)
    return UpliftCurve(count, count * (rate - control_rate))


def weight_by_propensity(treated: Flags, propensity: Floats | None) -> Floats:
    """Return 1 ÷ the probability of the group that each row is in, (n,); 1 without propensities."""
    if propensity is None:
        return np.ones(len(treated))
    weights: Floats = 1 / np.where(treated, propensity, 1 - propensity)
    return weights


def compute_qini_coefficient(treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None = None) -> float:
    """Return the Qini coefficient: the area between the Qini curve and the random line ÷ that of the perfect order.

    0 is a random order, 1 the perfect one: treated customers with an outcome first, control customers with one last. Defined like
    this by Radcliffe (2007) and in scikit-uplift's qini_auc_score. NaN if the perfect order is no better than a random one.
    """
    return compare_with_perfect(compute_qini_curve, treated, outcome, score, propensity)


def compute_auuc(treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None = None) -> float:
    """Return the AUUC: the area between the uplift curve and the random line ÷ that of the perfect order; 0 is a random order.

    As in scikit-uplift's uplift_auc_score.
    """
    return compare_with_perfect(compute_uplift_curve, treated, outcome, score, propensity)


def compare_with_perfect(
    compute_curve: CurveFunction, treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None
) -> float:
    perfect = compute_curve(treated, outcome, np.where(treated, outcome, -outcome), propensity).area
    return compute_curve(treated, outcome, score, propensity).area / perfect if perfect > 0 else float("nan")


def cumulate(
    treated: Flags, outcome: Floats, score: Floats, weight: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the cumulated customers, and the weighted customers and outcomes of treated and control, from the highest score.

    The first entry of each is 0.
    """
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True)) if len(order) else np.array([], np.int64)
    t, y, w = treated[order].astype(np.float64), outcome[order].astype(np.float64), weight[order]
    values = (np.ones(len(order)), w * t, w * t * y, w * (1 - t), w * (1 - t) * y)
    count, treated_n, treated_y, control_n, control_y = (
        np.concatenate(([0.0], np.cumsum(value)[last])) for value in values
    )
    return count, treated_n, treated_y, control_n, control_y


def compute_uplift_at(
    treated: Flags, outcome: Floats, score: Floats, propensity: Floats | None = None, *, share: float = TOP_SHARE
) -> float:
    """Return the difference of the mean outcomes of treated and control among the share of customers with the highest scores."""
    top = np.argsort(-score, kind="stable")[: max(int(len(score) * share), 1)]
    y, t, w = outcome[top], treated[top], weight_by_propensity(treated, propensity)[top]
    if t.all() or not t.any():
        return float("nan")
    return float(np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t]))


def bootstrap_qini(
    treated: Flags,
    outcome: Floats,
    score: Floats,
    propensity: Floats | None = None,
    *,
    seed: int,
    person: Ints | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
) -> ConfidenceInterval:
    """Return the Qini coefficient with its percentile bootstrap interval: customers are drawn again, the scores stay.

    person: (n,), who the customer is, if one has several rows; they are drawn together.
    """
    value = compute_qini_coefficient(treated, outcome, score, propensity)
    rng = np.random.default_rng(seed)
    # Only the order of the scores matters, and small integers sort faster.
    rank = np.unique(score, return_inverse=True)[1].astype(np.float64)
    people, owner = (len(score), None) if person is None else find_owners(person)
    found = np.empty(draws)
    for draw in range(draws):
        rows = rng.integers(0, people, people)
        if owner is not None:
            rows = np.repeat(np.arange(len(score)), np.bincount(rows, minlength=people)[owner])
        drawn = None if propensity is None else propensity[rows]
        found[draw] = compute_qini_coefficient(treated[rows], outcome[rows], rank[rows], drawn)
    found = found[np.isfinite(found)]
    if not len(found):
        return ConfidenceInterval(value, float("nan"), float("nan"))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return ConfidenceInterval(value, float(low), float(high))


def find_owners(person: Ints) -> tuple[int, Ints]:
    """Return the number of people, and the number of the person of each row, (n,)."""
    people, owner = np.unique(person, return_inverse=True)
    return len(people), owner
