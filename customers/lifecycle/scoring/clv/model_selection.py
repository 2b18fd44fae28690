"""Selects the purchase model of a shop.

Models are fitted until a cutoff and evaluated by the likelihood of the purchases after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.scoring.clv.fitting import PURCHASE_MODELS, PurchaseModel, PurchaseModelFit, fit_purchase_model
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL
from customers.lifecycle.scoring.clv.prediction.intervals import transform_purchases
from customers.lifecycle.scoring.clv.purchase_histories import (
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    summarize_purchases,
)

NOTHING_HELD_OUT = "nothing_held_out"  # no whole day after the cutoff


@dataclass(frozen=True)
class PredictionErrors:
    """Errors of predicted counts or amounts.

    bias: mean of expected − actual. total_ratio: their sums, expected / actual. correlation and total_ratio are None where nothing
    varies or nothing was bought.
    """

    mae: float
    bias: float
    correlation: float | None
    total_ratio: float | None


@dataclass(frozen=True, eq=False)
class HeldOutResult:
    """A model's predictions for the n customers known before the cutoff, held out.

    expected: shape (n,). log_likelihood: ln of the density of the purchase times after the cutoff, given those before it. coverage:
    share of purchases within the central 80 % of the predictive distribution; see `ProbabilityTransform.compute_coverage`.
    """

    fit: PurchaseModelFit
    log_likelihood: float
    expected: Floats
    errors: PredictionErrors
    coverage: float


@dataclass(frozen=True, eq=False)
class ModelSelection:
    """The selected model and the results of all.

    name: the model with the largest held-out log-likelihood; None where no model could be fitted, each for its reason in `reasons`.
    calibration_histories: as of the cutoff; actual: shape (n,), purchases in the `held_out_days` days after it.
    """

    name: str | None
    reasons: dict[str, str]
    results: dict[str, HeldOutResult]
    cutoff: int
    held_out_days: int
    calibration_histories: PurchaseHistories
    actual: Ints


def find_default_cutoff(*, at: Ints, as_of: int) -> int:
    """Return the moment two thirds of the way from the first order to as_of."""
    known = at[at < as_of]
    first = int(known.min()) if len(known) else as_of
    return first + (as_of - first) * 2 // 3


def select_purchase_model(
    *,
    customer: Ints,
    at: Ints,
    value: Floats | Ints,
    as_of: int,
    clock: LocalClock,
    cutoff: int | None = None,
    unit_days: float = 1.0,
    names: Sequence[str] = tuple(PURCHASE_MODELS),
) -> ModelSelection:
    """Fit the models before a cutoff and select the one with the largest held-out likelihood.

    customer, at, value, clock: as for `summarize_purchases`. cutoff: moment, moved to the midnight before it; by default two
    thirds of the way.

    The held-out log-likelihood is Σ ln L(history at as_of) − ln L(history at cutoff) over the customers known at the cutoff, both
    with the parameters fitted at the cutoff: L depends on (x, t_x, T) only, so the ratio is exactly the density of the purchases
    in between.
    """
    cutoff = find_default_cutoff(at=at, as_of=as_of) if cutoff is None else cutoff
    cutoff = clock.get_day_start(clock.get_day(cutoff))
    calibration = summarize_purchases(customer=customer, at=at, value=value, as_of=cutoff, clock=clock)
    later_histories = summarize_purchases(customer=customer, at=at, value=value, as_of=as_of, clock=clock)
    later_histories = later_histories.select(
        np.isin(later_histories.customer, calibration.customer, assume_unique=True)
    )
    actual = later_histories.x - calibration.x
    days = clock.get_day(as_of - 1) - clock.get_day(cutoff - 1)
    if days < 1:
        return ModelSelection(None, dict.fromkeys(names, NOTHING_HELD_OUT), {}, cutoff, 0, calibration, actual)
    groups = group_histories(histories=calibration, unit_days=unit_days)
    later = group_histories(histories=later_histories, unit_days=unit_days)
    results, reasons = {}, {}
    for name in names:
        fit = fit_purchase_model(name=name, groups=groups)
        if fit.model is None:
            reasons[name] = str(fit.reason)
        else:
            results[name] = evaluate_held_out(fit, fit.model, groups, later, actual, days / unit_days)
    best = max(results, key=lambda name: results[name].log_likelihood, default=None)
    return ModelSelection(best, reasons, results, cutoff, days, calibration, actual)


def evaluate_held_out(
    fit: PurchaseModelFit,
    model: PurchaseModel,
    groups: HistoryGroups,
    later: HistoryGroups,
    actual: Ints,
    horizon: float,
) -> HeldOutResult:
    """Evaluate a fit. groups, later: the same customers at the cutoff and `horizon` after it."""
    expected = model.expected_purchases(horizon=horizon, x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    transform = transform_purchases(model=model, groups=groups, horizon=horizon, actual=actual)
    return HeldOutResult(
        fit=fit,
        log_likelihood=model.total_log_likelihood(later)[0] - model.total_log_likelihood(groups)[0],
        expected=expected,
        coverage=transform.compute_coverage(level=LEVEL),
        errors=compute_errors(expected, actual),
    )


def compute_errors(expected: Floats, actual: npt.NDArray[np.integer] | Floats) -> PredictionErrors:
    """Compute the errors of n ≥ 1 customers, shape (n,)."""
    varies = np.ptp(expected) > 0 and np.ptp(actual) > 0
    total = float(actual.sum())
    return PredictionErrors(
        mae=float(np.abs(expected - actual).mean()),
        bias=float((expected - actual).mean()),
        correlation=float(np.corrcoef(expected, actual)[0, 1]) if varies else None,
        total_ratio=float(expected.sum()) / total if total > 0 else None,
    )
