"""80 % prediction intervals of each customer's purchases and spend, and their coverage.

A statement such as "with 80 % probability between 0 and 120" carries its own probability in `*_probability`, for two reasons:
purchases are integers, and for a customer who buys nothing with 80 % probability or more, [0, 0] is the shortest interval and
holds with that probability. Otherwise:
- spend: where buying nothing has a probability below 10 %, the central 80 %; else from 0 to the 80 % quantile;
- purchases: likewise, rounded to the integers whose probability is nearest.

Rates drift and buyers differ from the model, so 80 % of the distribution may hold less or more than 80 % of actual values. The
intervals are therefore cut at the nominal level that held 80 % in the past, see `interval_calibration`, and a probability p of the
distribution is stated as p^k, the power that maps this nominal level to 80 %.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.prediction.interval_calibration import (
    LEVEL,
    QUANTITIES,
    UNCORRECTED,
    IntervalCalibration,
    measure_yearly_rate,
)
from customers.lifecycle.scoring.clv.prediction.interval_kernels import (
    compute_count_intervals,
    compute_count_pit,
    compute_spend_intervals,
)
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import (
    PredictiveDistribution,
    PurchaseStates,
    compute_spend_exceedance,
    find_states,
    iterate_distributions,
)
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

type Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class PredictionIntervals:
    """Intervals of g groups, shape (g,), both ends included.

    purchases: integers; spend: in units of each customer's γ + x m̄, None without a spend model.
    """

    purchases_low: Ints
    purchases_high: Ints
    purchases_probability: Floats
    spend_low: Floats | None
    spend_high: Floats | None
    spend_probability: Floats | None


def predict_intervals(
    *,
    model: PurchaseModel,
    spend: GammaGamma | None,
    groups: HistoryGroups,
    horizon: float,
    level: float = LEVEL,
    alive: Floats | None = None,
    calibration: IntervalCalibration = UNCORRECTED,
) -> PredictionIntervals:
    """Predict the intervals of each group, which hold with probability `level`.

    horizon: from T, in the unit of the groups and the model; alive: shape (g,), P(alive) of the model if already computed.
    Errors: ValueError for a level outside (0, 1) or no horizon.
    """
    _check_arguments(horizon, level)
    if alive is None:
        alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    g = len(alive)
    counts = np.zeros((2, g), np.int64)
    probabilities = np.ones(g)
    spends = np.zeros((3, g))
    rate, days = measure_yearly_rate(r=model.r, alpha=model.alpha, groups=groups), horizon * groups.unit_days
    nominal, nominal_spend = (
        calibration.find_levels(quantity=quantity, rate=rate, horizon_days=days, level=level) for quantity in QUANTITIES
    )
    for distribution, rows, state in _iterate_rows(
        model, spend, groups, find_states(groups), horizon, calibration.drift_days / groups.unit_days
    ):
        *bounds, probability = compute_count_intervals(alive[rows], state, distribution.tails, level, nominal[rows])
        counts[:, rows], probabilities[rows] = bounds, probability
        if spend:
            spends[:, rows] = compute_spend_intervals(
                alive[rows],
                state,
                distribution.tails,
                distribution.curves,
                distribution.log_u,
                level,
                nominal_spend[rows],
            )
    of_spend = tuple(spends) if spend else (None, None, None)
    return PredictionIntervals(counts[0], counts[1], probabilities, *of_spend)


@dataclass(frozen=True, eq=False)
class ProbabilityTransform:
    """Probability integral transform of n customers' actual values.

    P(less) and P(less or equal), shape (n,).
    """

    lower: Floats
    upper: Floats

    def compute_coverage(self, *, level: float | Floats = LEVEL) -> float:
        """Return the share of customers between the (1 − level)/2 and (1 + level)/2 quantiles.

        level: one for all, or the nominal level of each customer, shape (n,).
        Customers on a border count by the share of their probability that lies within: the result is `level` if the model is right,
        however discrete the distribution. Source: randomized probability integral transform, Czado, Gneiting & Held, Biometrics 2009, 2.
        """
        share = self.share_within(level=level)
        return float(share.mean()) if len(share) else float(np.mean(level))

    def share_within(self, *, level: float | Floats = LEVEL) -> Floats:
        """Return how much of each customer's probability lies within those quantiles, shape (n,), 0 … 1."""
        # The minimum only avoids a division by 0: a customer without width counts by `exact`.
        width = np.maximum(self.upper - self.lower, 1e-300)
        side = (1.0 - level) / 2.0
        inside = np.minimum(self.upper, 1.0 - side) - np.maximum(self.lower, side)
        exact = (self.lower >= side) & (self.lower <= 1.0 - side)
        return np.where(self.upper > self.lower, np.clip(inside / width, 0.0, 1.0), exact)


def transform_purchases(
    *, model: PurchaseModel, groups: HistoryGroups, horizon: float, actual: Ints, drift: float = np.inf
) -> ProbabilityTransform:
    """Transform actual purchases.

    actual: shape (n,), purchases in the horizon of each customer of groups.row. drift: as for `compute_rate_posterior`.
    """
    _check_arguments(horizon, LEVEL)
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    transforms = np.zeros((2, len(groups.row)))
    for distribution, rows, state in _iterate_customers(model, None, groups, horizon, drift):
        transforms[:, rows] = compute_count_pit(alive[rows], state, distribution.tails, actual[rows])
    return ProbabilityTransform(*transforms)


def transform_spend(
    *,
    model: PurchaseModel,
    spend: GammaGamma,
    groups: HistoryGroups,
    horizon: float,
    mean_value: Floats,
    actual: Floats,
    drift: float = np.inf,
) -> ProbabilityTransform:
    """Transform actual spend.

    actual: shape (n,), spend in the horizon of each customer of groups.row; mean_value: m̄ of each before. drift: as
    for `compute_rate_posterior`.
    """
    _check_arguments(horizon, LEVEL)
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    actual = actual / spend.posterior_rate(x=groups.x[groups.row], mean_value=mean_value)
    lower, upper = np.zeros(len(alive)), np.ones(len(alive))
    for distribution, rows, state in _iterate_customers(model, None, groups, horizon, drift):
        u, any_purchase = actual[rows], distribution.tails[state, 1]
        exceeded = compute_spend_exceedance(spend=spend, distribution=distribution, state=state, u=np.maximum(u, 0.0))
        upper[rows] = 1.0 - alive[rows] * np.where(u > 0, exceeded, any_purchase)
        lower[rows] = np.where(u > 0, upper[rows], 0.0)
    return ProbabilityTransform(lower, upper)


def _check_arguments(horizon: float, level: float) -> None:
    """Raise ValueError for an invalid horizon or level."""
    if not 0 < horizon < np.inf:
        raise ValueError(f"horizon must be finite and greater than 0, got {horizon}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")


def _iterate_customers(
    model: PurchaseModel, spend: GammaGamma | None, groups: HistoryGroups, horizon: float, drift: float
) -> Iterator[tuple[PredictiveDistribution, Rows, Ints]]:
    """Yield each distribution with the customers that it applies to."""
    states = find_states(groups)
    return _iterate_rows(
        model, spend, groups, PurchaseStates(states.x, states.age, states.state_of[groups.row]), horizon, drift
    )


def _iterate_rows(
    model: PurchaseModel,
    spend: GammaGamma | None,
    groups: HistoryGroups,
    states: PurchaseStates,
    horizon: float,
    drift: float,
) -> Iterator[tuple[PredictiveDistribution, Rows, Ints]]:
    """Yield each distribution with its rows of `states.state_of`.

    The last item is the index of each row in the distribution.
    """
    # Sorted by state, the rows of consecutive states are one slice.
    by_state = np.argsort(states.state_of, kind="stable")
    borders = np.searchsorted(states.state_of[by_state], np.arange(len(states.x) + 1))
    for distribution in iterate_distributions(model=model, spend=spend, states=states, horizon=horizon, drift=drift):
        rows = by_state[borders[distribution.first] : borders[distribution.first + len(distribution.tails)]]
        yield distribution, rows, states.state_of[rows] - distribution.first
