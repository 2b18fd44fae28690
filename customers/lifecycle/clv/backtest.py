"""Backtest of purchase models: predictions of earlier refreshes against actual orders.

Only the parameters of a model and of its intervals are stored. The histories of a past time are rebuilt from the orders before it, so
the model predicts now what it predicted then; orders that were imported later count as if they had been known.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.scoring.backtest import backtest_counts
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.prediction.interval_calibration import deserialize_calibration, measure_yearly_rate
from customers.lifecycle.scoring.clv.prediction.intervals import transform_purchases
from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases
from customers.lifecycle.scoring.stages.order_gaps import DAY

BACKTEST_AGES = (timedelta(days=28), timedelta(days=91), timedelta(days=364))
MAX_RATIO_ERROR = 0.25  # an alert is raised when the interval of actual / expected orders is outside 1 ± this


def backtest_purchase_models(
    *, customer: Ints, at: Ints, value: Floats, as_of: datetime, clock: LocalClock
) -> list[dict[str, Any]]:
    """Return predicted and actual orders since earlier refreshes.

    These are the latest refreshes older than 28 days, 91 days and a year.
    customer, at, value, clock: one entry per order, as for `summarize_purchases`. ratio: actual / expected, with low and high of its 95 %
    interval. coverage: share of customers within the stated 80 % intervals, as corrected at that refresh.
    """
    backtests = []
    for score_model in select_models_to_backtest(as_of):
        then = score_model.run.as_of
        days = (to_microseconds(as_of) - to_microseconds(then)) / DAY
        before = summarize_purchases(customer=customer, at=at, value=value, as_of=to_microseconds(then), clock=clock)
        since = summarize_purchases(customer=customer, at=at, value=value, as_of=to_microseconds(as_of), clock=clock)
        known = np.isin(since.customer, before.customer, assume_unique=True)
        actual = since.x[known] - before.x
        groups = group_histories(histories=before)
        fit = deserialize_fit(score_model.parameters)
        if fit.model is None or not len(before):
            continue
        expected = fit.model.expected_purchases(horizon=days, x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
        comparison = backtest_counts(expected=expected, observed=actual.astype(np.float64))
        calibration = deserialize_calibration(score_model.parameters.get("intervals"))
        transform = transform_purchases(
            model=fit.model, groups=groups, horizon=days, actual=actual, drift=calibration.drift_days
        )
        rate = measure_yearly_rate(r=fit.model.r, alpha=fit.model.alpha, groups=groups)[groups.row]
        levels = calibration.find_levels(quantity="purchases", rate=rate, horizon_days=days)
        backtests.append(
            {
                "as_of": then.isoformat(),
                "days": round(days, 1),
                "customers": comparison.customers,
                "algorithm": score_model.algorithm,
                "expected": float(expected.sum()),
                "actual": int(actual.sum()),
                "ratio": comparison.ratio.value,
                "low": comparison.ratio.low,
                "high": comparison.ratio.high,
                "coverage": transform.compute_coverage(level=levels),
            }
        )
    return backtests


def select_models_to_backtest(as_of: datetime) -> list[ScoreModel]:
    """Return the latest score model of each age, each once, most recent first."""
    score_models: dict[int, ScoreModel] = {}
    for age in BACKTEST_AGES:
        score_model = (
            ScoreModel.objects.filter(
                kind=ScoreModel.Kind.PURCHASE_MODEL,
                reason="",
                run__status=LifecycleRun.Status.DONE,
                run__as_of__lte=as_of - age,
            )
            .select_related("run")
            .order_by("-run__as_of", "-run_id")
            .first()
        )
        if score_model is not None:
            score_models.setdefault(score_model.pk, score_model)
    return list(score_models.values())


def is_forecast_off(backtest: Mapping[str, Any]) -> bool:
    """Return whether actual orders differ from predictions significantly and by over 25%."""
    low, high = backtest["low"], backtest["high"]
    return low is not None and high is not None and (low > 1 + MAX_RATIO_ERROR or high < 1 - MAX_RATIO_ERROR)
