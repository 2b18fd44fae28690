"""Fits a buying process to grouped histories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.optimizer import Objective, maximise
from customers.lifecycle.scoring.clv.purchase_histories import Groups

type Model = BgNbd | MbgNbd | ParetoNbd

MODELS: dict[str, type[BgNbd] | type[MbgNbd] | type[ParetoNbd]] = {
    model.name: model for model in (BgNbd, MbgNbd, ParetoNbd)
}
# why there is no model
NO_CUSTOMERS = "no_customers"
NO_TIME = "no_time"  # all orders on the last day seen
NO_REPEATS = "no_repeats"
FEW_REPEAT_BUYERS = "few_repeat_buyers"
REASONS = (NO_CUSTOMERS, NO_TIME, NO_REPEATS, FEW_REPEAT_BUYERS)
FEWEST_REPEAT_BUYERS = 30

SAMPLED_ROWS = 20_000
STARTS = tuple((r, left, stay) for r in (0.3, 1.5) for left, stay in ((0.8, 2.5), (0.3, 6.0)))


@dataclass(frozen=True, eq=False)
class Fit:
    """model is None where reason says why. Times are in units of `unit_days`. covariance: (4, 4), of the parameters' logarithms."""

    model: Model | None
    reason: str | None
    unit_days: float
    customers: int
    repeat_buyers: int
    log_likelihood: float | None = None
    converged: bool = False
    iterations: int = 0
    covariance: Floats | None = None

    def model_for(self, groups: Groups) -> Model:
        """Errors: ValueError where there is no model, or groups are in another unit of time."""
        if self.model is None:
            raise ValueError(f"there is no model: {self.reason}")
        if groups.unit_days != self.unit_days:
            raise ValueError(f"groups must be in units of {self.unit_days} days like the fit, got {groups.unit_days}")
        return self.model


def fit_process(
    *, name: str, groups: Groups, fewest_repeat_buyers: int = FEWEST_REPEAT_BUYERS, start: Model | None = None
) -> Fit:
    """Maximum likelihood of the model `name` of MODELS. start: where the search begins, instead of at several usual places; a model
    of the same name and unit of time, such as that of the same customers at another moment.

    Histories of no length (T = 0) say nothing and cost nothing. With more than 20,000 different histories the search starts on
    those that most customers share and a weighted sample of the others, always the same, and ends on all.
    Errors: ValueError for an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"name must be one of {', '.join(MODELS)}, got {name!r}")
    customers, repeat_buyers = int(groups.customers), int(groups.weight[groups.x > 0].sum())
    reason = _why_not(groups, repeat_buyers, fewest_repeat_buyers)
    if reason:
        return Fit(None, reason, groups.unit_days, customers, repeat_buyers)
    mean_age = float(groups.weight @ groups.age) / customers
    scaled = groups.scaled(mean_age)
    kind = MODELS[name]
    found = maximise(
        objective=_objective(kind, scaled),
        sample=_objective(kind, _sampled(scaled)),
        n=float(customers),
        starts=_starts(name, float(groups.weight @ groups.x) / customers)
        if start is None
        else [np.log(kind.stretched(start.parameters(), 1.0 / mean_age).parameters())],
    )
    return Fit(
        model=kind.stretched(np.exp(found.theta), mean_age),
        reason=None,
        unit_days=groups.unit_days,
        customers=customers,
        repeat_buyers=repeat_buyers,
        log_likelihood=found.log_likelihood - float(groups.weight @ groups.x) * float(np.log(mean_age)),
        converged=found.converged,
        iterations=found.iterations,
        covariance=found.covariance,
    )


def save_fit(fit: Fit) -> dict[str, Any]:
    """Plain values for JSON."""
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


def load_fit(saved: Mapping[str, Any]) -> Fit:
    """Errors: ValueError for an unknown model or parameters that it cannot have."""
    model, covariance = saved["model"], saved["covariance"]
    if model is not None and model.get("name") not in MODELS:
        raise ValueError(f"model's name must be one of {', '.join(MODELS)}, got {model.get('name')!r}")
    return Fit(
        model=MODELS[model["name"]].from_dict(model) if model else None,
        reason=saved["reason"],
        unit_days=saved["unit_days"],
        customers=saved["customers"],
        repeat_buyers=saved["repeat_buyers"],
        log_likelihood=saved["log_likelihood"],
        converged=saved["converged"],
        iterations=saved["iterations"],
        covariance=None if covariance is None else np.array(covariance),
    )


def _why_not(groups: Groups, repeat_buyers: int, fewest: int) -> str | None:
    if not len(groups.x):
        return NO_CUSTOMERS
    if not groups.age.any():
        return NO_TIME
    if not repeat_buyers:
        return NO_REPEATS
    return FEW_REPEAT_BUYERS if repeat_buyers < fewest else None


def _objective(kind: type[BgNbd] | type[MbgNbd] | type[ParetoNbd], groups: Groups) -> Objective:
    def log_likelihood(theta: Floats) -> tuple[float, Floats]:
        parameters = np.exp(theta)
        value, gradient = kind.of(parameters).total_log_likelihood(groups)
        return value, gradient * parameters

    return log_likelihood


def _starts(name: str, repeats: float) -> list[Floats]:
    """Logarithms; times are in mean ages, in which r / α is about the mean number of repeats, a little more as some leave."""
    if name == ParetoNbd.name:
        return [np.log([r, r / (1.5 * repeats), left, stay / 5.0]) for r, left, stay in STARTS]
    return [np.log([r, r / (1.5 * repeats), left, stay]) for r, left, stay in STARTS]


def _sampled(groups: Groups) -> Groups:
    """All rows up to 20,000; else the half of them that weigh most, and others at random that stand for the rest."""
    n = len(groups.x)
    if n <= SAMPLED_ROWS:
        return groups
    certain = SAMPLED_ROWS // 2
    by_weight = np.argsort(-groups.weight, kind="stable")
    draws = np.random.default_rng(0)
    drawn = draws.choice(by_weight[certain:], SAMPLED_ROWS - certain, replace=False)
    weight = groups.weight.copy()
    weight[drawn] *= groups.weight[by_weight[certain:]].sum() / groups.weight[drawn].sum()
    rows = np.sort(np.r_[by_weight[:certain], drawn])
    return Groups(groups.x[rows], groups.t_x[rows], groups.age[rows], weight[rows], groups.row[:0], groups.unit_days)
