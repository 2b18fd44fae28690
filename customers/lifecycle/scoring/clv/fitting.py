"""Fits a purchase model to grouped purchase histories by maximum likelihood."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.optimizer import Objective, maximize_likelihood
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

type PurchaseModel = BgNbd | MbgNbd | ParetoNbd

PURCHASE_MODELS: dict[str, type[BgNbd] | type[MbgNbd] | type[ParetoNbd]] = {
    model.name: model for model in (BgNbd, MbgNbd, ParetoNbd)
}
# Reasons why there is no model.
NO_CUSTOMERS = "no_customers"
NO_TIME = "no_time"  # all orders are on the last observed day
NO_REPEATS = "no_repeats"
FEW_REPEAT_BUYERS = "few_repeat_buyers"
REASONS = (NO_CUSTOMERS, NO_TIME, NO_REPEATS, FEW_REPEAT_BUYERS)
MIN_REPEAT_BUYERS = 30

SAMPLE_ROWS = 20_000
START_VALUES = tuple((r, a, b) for r in (0.3, 1.5) for a, b in ((0.8, 2.5), (0.3, 6.0)))


@dataclass(frozen=True, eq=False)
class PurchaseModelFit:
    """The result of a fit; model is None where reason says why.

    Times are in units of `unit_days`. covariance: (4, 4), of the logarithms of the parameters.
    """

    model: PurchaseModel | None
    reason: str | None
    unit_days: float
    customers: int
    repeat_buyers: int
    log_likelihood: float | None = None
    converged: bool = False
    iterations: int = 0
    covariance: Floats | None = None

    def require_model(self, groups: HistoryGroups) -> PurchaseModel:
        """Return the model.

        Errors: ValueError without a model, or for groups in another unit of time.
        """
        if self.model is None:
            raise ValueError(f"No purchase model was fitted: {self.reason}")
        if groups.unit_days != self.unit_days:
            raise ValueError(f"groups must be in units of {self.unit_days} days like the fit, got {groups.unit_days}")
        return self.model


def fit_purchase_model(
    *,
    name: str,
    groups: HistoryGroups,
    min_repeat_buyers: int = MIN_REPEAT_BUYERS,
    start: PurchaseModel | None = None,
) -> PurchaseModelFit:
    """Fit the model `name` of PURCHASE_MODELS by maximum likelihood.

    start: where the search begins, instead of at several default points; a model of the same name and unit of time, such as that
    of the same customers at another moment.

    Histories of no length (T = 0) carry no information. With more than 20,000 distinct histories the search starts on those shared
    by most customers and a fixed weighted sample of the others, and ends on all.
    Errors: ValueError for an unknown name.
    """
    if name not in PURCHASE_MODELS:
        raise ValueError(f"name must be one of {', '.join(PURCHASE_MODELS)}, got {name!r}")
    customers, repeat_buyers = int(groups.customers), int(groups.weight[groups.x > 0].sum())
    reason = _find_obstacle(groups, repeat_buyers, min_repeat_buyers)
    if reason:
        return PurchaseModelFit(None, reason, groups.unit_days, customers, repeat_buyers)
    # In units of the mean age all parameters are of order 1, whatever the unit of time.
    mean_age = float(groups.weight @ groups.age) / customers
    scaled = groups.rescale(mean_age)
    model_class = PURCHASE_MODELS[name]
    optimum = maximize_likelihood(
        objective=_build_objective(model_class, scaled),
        sample=_build_objective(model_class, _sample_groups(scaled)),
        n=float(customers),
        starts=_build_starts(name, float(groups.weight @ groups.x) / customers)
        if start is None
        else [np.log(model_class.from_rescaled(start.to_array(), 1.0 / mean_age).to_array())],
    )
    return PurchaseModelFit(
        model=model_class.from_rescaled(np.exp(optimum.theta), mean_age),
        reason=None,
        unit_days=groups.unit_days,
        customers=customers,
        repeat_buyers=repeat_buyers,
        log_likelihood=optimum.log_likelihood - float(groups.weight @ groups.x) * float(np.log(mean_age)),
        converged=optimum.converged,
        iterations=optimum.iterations,
        covariance=optimum.covariance,
    )


def serialize_fit(fit: PurchaseModelFit) -> dict[str, Any]:
    """Return the fit as plain values for JSON."""
    return {
        "model": fit.model.to_dict() if fit.model else None,
        "reason": fit.reason,
        "unit_days": fit.unit_days,
        "customers": fit.customers,
        "repeat_buyers": fit.repeat_buyers,
        "log_likelihood": fit.log_likelihood,
        "converged": fit.converged,
        "iterations": fit.iterations,
        "covariance": None if fit.covariance is None else fit.covariance.tolist(),
    }


def deserialize_fit(saved: Mapping[str, Any]) -> PurchaseModelFit:
    """Rebuild a fit. Errors: ValueError for an unknown model or invalid parameters."""
    model, covariance = saved["model"], saved["covariance"]
    if model is not None and model.get("name") not in PURCHASE_MODELS:
        raise ValueError(f"model's name must be one of {', '.join(PURCHASE_MODELS)}, got {model.get('name')!r}")
    return PurchaseModelFit(
        model=PURCHASE_MODELS[model["name"]].from_dict(model) if model else None,
        reason=saved["reason"],
        unit_days=saved["unit_days"],
        customers=saved["customers"],
        repeat_buyers=saved["repeat_buyers"],
        log_likelihood=saved["log_likelihood"],
        converged=saved["converged"],
        iterations=saved["iterations"],
        covariance=None if covariance is None else np.array(covariance),
    )


def _find_obstacle(groups: HistoryGroups, repeat_buyers: int, minimum: int) -> str | None:
    """Return the reason why no model can be fitted, or None."""
    if not len(groups.x):
        return NO_CUSTOMERS
    if not groups.age.any():
        return NO_TIME
    if not repeat_buyers:
        return NO_REPEATS
    return FEW_REPEAT_BUYERS if repeat_buyers < minimum else None


def _build_objective(model_class: type[BgNbd] | type[MbgNbd] | type[ParetoNbd], groups: HistoryGroups) -> Objective:
    """Return the log-likelihood and its gradient as a function of the log-parameters."""

    def log_likelihood(theta: Floats) -> tuple[float, Floats]:
        parameters = np.exp(theta)
        value, gradient = model_class.from_array(parameters).total_log_likelihood(groups)
        return value, gradient * parameters

    return log_likelihood


def _build_starts(name: str, repeats: float) -> list[Floats]:
    """Return start points as logarithms.

    Times are in mean ages, in which r / α is about the mean number of repeats.
    """
    if name == ParetoNbd.name:
        # 1.5: the rate of active customers is higher than the mean, since some customers have left.
        return [np.log([r, r / (1.5 * repeats), a, b / 5.0]) for r, a, b in START_VALUES]
    return [np.log([r, r / (1.5 * repeats), a, b]) for r, a, b in START_VALUES]


def _sample_groups(groups: HistoryGroups) -> HistoryGroups:
    """Return a sample of up to 20,000 rows.

    One half are the rows with the largest weights; the other rows are random and represent the rest.
    """
    n = len(groups.x)
    if n <= SAMPLE_ROWS:
        return groups
    certain = SAMPLE_ROWS // 2
    by_weight = np.argsort(-groups.weight, kind="stable")
    draws = np.random.default_rng(0)
    sampled = draws.choice(by_weight[certain:], SAMPLE_ROWS - certain, replace=False)
    # The weights of the sampled rows are scaled to the customers of all rows that they represent.
    weight = groups.weight.copy()
    weight[sampled] *= groups.weight[by_weight[certain:]].sum() / groups.weight[sampled].sum()
    rows = np.sort(np.r_[by_weight[:certain], sampled])
    return HistoryGroups(
        groups.x[rows], groups.t_x[rows], groups.age[rows], weight[rows], groups.row[:0], groups.unit_days
    )
