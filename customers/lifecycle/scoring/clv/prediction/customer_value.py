"""What each customer will buy, spend and be worth in the coming months."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import Model
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.prediction.intervals import LEVEL, predict_intervals
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import states_of
from customers.lifecycle.scoring.clv.purchase_histories import Groups, Histories

MONTH_DAYS = 30.4375
MONTHS = 12
MONTHLY_DISCOUNT = 0.01


@dataclass(frozen=True, eq=False)
class CustomerValues:
    """Of n customers, shape (n,), within the months asked for.

    alive: the probability that they still are customers. purchases: expected. mean_spend: expected a purchase. value: discounted,
    times margin. *_low, *_high, *_probability: the purchases, and the spend before margin and discount, lie between low and high,
    both included, with that probability; see `intervals`. What depends on a model of spend is None without one.
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


def value_customers(
    *,
    model: Model,
    spend: GammaGamma | None,
    histories: Histories,
    groups: Groups,
    months: int = MONTHS,
    monthly_discount: float = MONTHLY_DISCOUNT,
    margin: float = 1.0,
    level: float = LEVEL,
) -> CustomerValues:
    """CLV = Σ_t E[ΔY_t] · E[M] · margin / (1 + d)^t over months t = 1 … `months` of 30.4375 days.

    histories: of n customers; groups: the same grouped in the model's unit of time. d: `monthly_discount`.
    Source: Fader, Hardie & Lee, "RFM and CLV", 2005; discounting in steps as in `lifetimes.utils._customer_lifetime_value`.
    Errors: ValueError for months below 1, a discount at or below −1, or a margin that is not finite.
    """
    if months < 1:
        raise ValueError(f"months must be at least 1, got {months}")
    if not -1 < monthly_discount < np.inf:
        raise ValueError(f"monthly_discount must be greater than -1, got {monthly_discount}")
    if not np.isfinite(margin):
        raise ValueError(f"margin must be finite, got {margin}")
    horizons: Floats = np.arange(1.0, months + 1) * MONTH_DAYS / groups.unit_days
    states = states_of(groups)
    until = model.expected_if_alive(horizon=horizons, x=states.x, age=states.age)
    weights = (1.0 + monthly_discount) ** -np.arange(1.0, months + 1)
    discounted = np.maximum(np.diff(until, axis=1, prepend=0.0), 0.0) @ weights
    alive = model.alive(x=groups.x, t_x=groups.t_x, age=groups.age)
    row = groups.row
    found = predict_intervals(
        model=model, spend=spend, groups=groups, horizon=float(horizons[-1]), level=level, alive=alive
    )
    mean_spend = value = low = high = probability = None
    if spend and found.spend_low is not None and found.spend_high is not None and found.spend_probability is not None:
        mean_spend = spend.mean_spend(x=histories.x, mean_value=histories.mean_value)
        value = (alive * discounted[states.of])[row] * mean_spend * margin
        rate = spend.rate(x=histories.x, mean_value=histories.mean_value)
        low, high, probability = found.spend_low[row] * rate, found.spend_high[row] * rate, found.spend_probability[row]
    return CustomerValues(
        alive=alive[row],
        purchases=(alive * until[states.of, -1])[row],
        purchases_low=found.purchases_low[row],
        purchases_high=found.purchases_high[row],
        purchases_probability=found.purchases_probability[row],
        mean_spend=mean_spend,
        value=value,
        spend_low=low,
        spend_high=high,
        spend_probability=probability,
    )
