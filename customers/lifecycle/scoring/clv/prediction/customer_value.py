"""Predicts what each customer will buy, spend and be worth in the coming months."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL, UNCORRECTED, IntervalCalibration
from customers.lifecycle.scoring.clv.prediction.intervals import predict_intervals
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import find_states
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups, PurchaseHistories

MONTH_DAYS = 30.4375
MONTHS = 12
MONTHLY_DISCOUNT = 0.01


@dataclass(frozen=True, eq=False)
class CustomerValues:
    """Predictions for n customers, shape (n,), over the requested months.

    alive: P(alive). purchases: expected number. mean_spend: expected per purchase. value: discounted, times margin. *_low, *_high,
    *_probability: the purchases, and the spend before margin and discount, are between low and high, both included, with that
    probability; see `intervals`. Values that need a spend model are None without one.
    """

    alive: Floats
    purchases: Floats
    purchases_low: Ints
    purchases_high: Ints
    purchases_probability: Floats
    mean_spend: Floats | None
    value: Floats | None
    spend_low: Floats | None
    spend_high: Floats | None
    spend_probability: Floats | None


def predict_customer_values(
    *,
    model: PurchaseModel,
    spend: GammaGamma | None,
    histories: PurchaseHistories,
    groups: HistoryGroups,
    months: int = MONTHS,
    monthly_discount: float = MONTHLY_DISCOUNT,
    margin: float = 1.0,
    level: float = LEVEL,
    calibration: IntervalCalibration = UNCORRECTED,
) -> CustomerValues:
    """Predict the customer lifetime value.

    CLV = Σ_t E[ΔY_t] · E[M] · margin / (1 + d)^t over months t = 1 … `months` of 30.4375 days.
    histories: of n customers; groups: the same grouped in the model's unit of time. d: `monthly_discount`. calibration: of the
    intervals; it changes no expected value.
    Source: Fader, Hardie & Lee, "RFM and CLV", 2005; discounting in steps as in `lifetimes.utils._customer_lifetime_value`.
    Errors: ValueError for months below 1, a discount at or below −1, or a margin that is not finite.
    """
    _check_arguments(months, monthly_discount, margin)
    horizons: Floats = np.arange(1.0, months + 1) * MONTH_DAYS / groups.unit_days
    states = find_states(groups)
    cumulative = model.expected_purchases_if_alive(horizon=horizons, x=states.x, age=states.age)
    weights = (1.0 + monthly_discount) ** -np.arange(1.0, months + 1)
    discounted = np.maximum(np.diff(cumulative, axis=1, prepend=0.0), 0.0) @ weights
    alive = model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    row = groups.row
    intervals = predict_intervals(
        model=model,
        spend=spend,
        groups=groups,
        horizon=float(horizons[-1]),
        level=level,
        alive=alive,
        calibration=calibration,
    )
    mean_spend = value = low = high = probability = None
    if (
        spend
        and intervals.spend_low is not None
        and intervals.spend_high is not None
        and intervals.spend_probability is not None
    ):
        mean_spend = spend.mean_spend(x=histories.x, mean_value=histories.mean_value)
        value = (alive * discounted[states.state_of])[row] * mean_spend * margin
        rate = spend.posterior_rate(x=histories.x, mean_value=histories.mean_value)
        low, high, probability = (
            intervals.spend_low[row] * rate,
            intervals.spend_high[row] * rate,
            intervals.spend_probability[row],
        )
    return CustomerValues(
        alive=alive[row],
        purchases=(alive * cumulative[states.state_of, -1])[row],
        purchases_low=intervals.purchases_low[row],
        purchases_high=intervals.purchases_high[row],
        purchases_probability=intervals.purchases_probability[row],
        mean_spend=mean_spend,
        value=value,
        spend_low=low,
        spend_high=high,
        spend_probability=probability,
    )


def _check_arguments(months: int, monthly_discount: float, margin: float) -> None:
    """Raise ValueError for an invalid argument."""
    if months < 1:
        raise ValueError(f"months must be at least 1, got {months}")
    if not -1 < monthly_discount < np.inf:
        raise ValueError(f"monthly_discount must be greater than -1, got {monthly_discount}")
    if not np.isfinite(margin):
        raise ValueError(f"margin must be finite, got {margin}")
