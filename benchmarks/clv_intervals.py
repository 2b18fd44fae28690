"""Evaluates 80% intervals of purchases and spend at several horizons before the end of the orders, as benchmarks.clv prints them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fitting import PurchaseModel, fit_purchase_model
from customers.lifecycle.scoring.clv.interval_learning import learn_intervals
from customers.lifecycle.scoring.clv.model_selection import compute_errors, select_purchase_model
from customers.lifecycle.scoring.clv.models.gamma_gamma import fit_gamma_gamma
from customers.lifecycle.scoring.clv.prediction.interval_calibration import (
    LEVEL,
    UNCORRECTED,
    IntervalCalibration,
    measure_yearly_rate,
)
from customers.lifecycle.scoring.clv.prediction.intervals import (
    predict_intervals,
    transform_purchases,
    transform_spend,
)
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    HistoryGroups,
    group_histories,
    summarize_purchases,
)

HORIZONS_DAYS = (28, 91, 182)


def evaluate_horizons(
    customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], value: npt.NDArray[np.float64], as_of: int
) -> dict[str, Any]:
    """Return the figures of each horizon in keys that end with its days; plain_… without drift and nominal levels.

    At each cut, as_of − horizon, the model and the correction are chosen from the orders before it, as a refresh does.
    """
    figures: dict[str, Any] = {}
    for days in HORIZONS_DAYS:
        if as_of - days * DAY > int(at.min()):
            for name, figure in evaluate_horizon(customer, at, value, as_of, days).items():
                figures[f"{name}_{days}"] = figure
    return figures


def evaluate_horizon(
    customer: npt.NDArray[np.int64], at: npt.NDArray[np.int64], value: npt.NDArray[np.float64], as_of: int, days: int
) -> dict[str, Any]:
    """Return coverage, interval score and errors of one horizon; {} without a model."""
    cutoff = as_of - days * DAY
    name = select_purchase_model(customer=customer, at=at, value=value, as_of=cutoff, clock=UTC_CLOCK).name
    histories = summarize_purchases(customer=customer, at=at, value=value, as_of=cutoff, clock=UTC_CLOCK)
    groups = group_histories(histories=histories)
    model = fit_purchase_model(name=name, groups=groups).model if name else None
    if model is None or name is None:
        return {}
    later = summarize_purchases(customer=customer, at=at, value=value, as_of=as_of, clock=UTC_CLOCK)
    actual = later.x[np.isin(later.customer, histories.customer, assume_unique=True)] - histories.x
    learned = learn_intervals(
        customer=customer, at=at, value=value, as_of=cutoff, name=name, clock=UTC_CLOCK
    ).calibration
    expected = model.expected_purchases(horizon=float(days), x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    errors = compute_errors(expected, actual)
    figures = {
        "model": name,
        "drift_days": learned.drift_days if np.isfinite(learned.drift_days) else None,
        "mae": errors.mae,
        "plain_mae": errors.mae,  # neither drift nor levels change the expected value
        "total_ratio": errors.total_ratio,
    }
    spend = fit_gamma_gamma(x=histories.x, mean_value=histories.mean_value).model
    after = (at >= cutoff) & (at < as_of) & np.isin(customer, histories.customer)
    spent = np.bincount(np.searchsorted(histories.customer, customer[after]), value[after], minlength=len(histories))
    for prefix, calibration in (("", learned), ("plain_", UNCORRECTED)):
        evaluated = evaluate_counts(model, groups, calibration, days, actual)
        if spend is not None:
            transform = transform_spend(
                model=model, spend=spend, groups=groups, horizon=float(days), mean_value=histories.mean_value,
                actual=spent, drift=calibration.drift_days,
            )  # fmt: skip
            rate = measure_yearly_rate(r=model.r, alpha=model.alpha, groups=groups)[groups.row]
            levels = calibration.find_levels(quantity="spend", rate=rate, horizon_days=days)
            evaluated["spend_coverage80"] = transform.compute_coverage(level=levels)
        figures |= {prefix + key: figure for key, figure in evaluated.items()}
    return figures


def evaluate_counts(
    model: PurchaseModel,
    groups: HistoryGroups,
    calibration: IntervalCalibration,
    days: int,
    actual: npt.NDArray[np.int64],
) -> dict[str, float]:
    """Return the coverage and the score of 80% intervals of purchases.

    coverage80: customers on a border count by their share. interval_hit, interval_stated: share within the integers published, and
    their mean stated probability. interval_score: mean of high − low + 2/α · (distance outside), α = .2 (Gneiting & Raftery 2007).
    """
    rate = measure_yearly_rate(r=model.r, alpha=model.alpha, groups=groups)[groups.row]
    levels = calibration.find_levels(quantity="purchases", rate=rate, horizon_days=days)
    transform = transform_purchases(
        model=model, groups=groups, horizon=float(days), actual=actual, drift=calibration.drift_days
    )
    intervals = predict_intervals(model=model, spend=None, groups=groups, horizon=float(days), calibration=calibration)
    low, high = intervals.purchases_low[groups.row], intervals.purchases_high[groups.row]
    outside = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    return {
        "coverage80": transform.compute_coverage(level=levels),
        "interval_hit": float((outside == 0).mean()),
        "interval_stated": float(intervals.purchases_probability[groups.row].mean()),
        "interval_score": float((high - low + 2.0 / (1.0 - LEVEL) * outside).mean()),
    }
