"""Which buying process describes a shop: fitted until a cut, judged by the likelihood of what came after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.fitting import MODELS, Fit, Model, fit_process
from customers.lifecycle.scoring.clv.prediction.intervals import LEVEL, rank_purchases
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    Groups,
    Histories,
    group_histories,
    summarise_purchases,
)

NOTHING_HELD_OUT = "nothing_held_out"  # no whole day after the cut


@dataclass(frozen=True)
class Errors:
    """bias: mean of expected − actual. total_ratio: their sums, expected / actual. correlation and total_ratio are None where
    nothing varies or nothing was bought."""

    mae: float
    bias: float
    correlation: float | None
    total_ratio: float | None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Purchases after the cut of the n customers known before it. expected: shape (n,). log_likelihood: ln of the density of when
    they bought after the cut, given what they had bought before it. held: share of purchases within the middle 80 % of what was
    thought possible; see `Ranks.held`."""

    fit: Fit
    log_likelihood: float
    expected: Floats
    errors: Errors
    held: float


@dataclass(frozen=True, eq=False)
class Choice:
    """name: of the model whose held-out log-likelihood is largest; None where no model could be had, each for its reason in
    `reasons`. before: histories at the cut; happened: shape (n,), purchases of each in the `days` days after it."""

    name: str | None
    reasons: dict[str, str]
    results: dict[str, HeldOut]
    cut: int
    days: int
    before: Histories
    happened: Ints


def usual_cut(*, at: Ints, as_of: int) -> int:
    """Two thirds of the way from the first order to as_of."""
    seen = at[at < as_of]
    first = int(seen.min()) if len(seen) else as_of
    return first + (as_of - first) * 2 // 3


def choose_process(
    *,
    customer: Ints,
    at: Ints,
    value: Floats | Ints,
    as_of: int,
    cut: int | None = None,
    offset: int = 0,
    unit_days: float = 1.0,
    names: Sequence[str] = tuple(MODELS),
) -> Choice:
    """customer, at, value, offset: as for `summarise_purchases`. cut: moment, brought to the midnight before it; usually two thirds
    of the way.

    The held-out log-likelihood is Σ ln L(history at as_of) − ln L(history at cut) over those known at the cut, both with the
    parameters fitted at the cut: (x, t_x, T) is all that L needs, so the ratio is exactly the density of the purchases between.
    """
    cut = usual_cut(at=at, as_of=as_of) if cut is None else cut
    cut = (cut + offset) // DAY * DAY - offset
    before = summarise_purchases(customer=customer, at=at, value=value, as_of=cut, offset=offset)
    after = summarise_purchases(customer=customer, at=at, value=value, as_of=as_of, offset=offset)
    after = after.take(np.isin(after.customer, before.customer, assume_unique=True))
    happened = after.x - before.x
    days = int((as_of - 1 + offset) // DAY - (cut - 1 + offset) // DAY)
    if days < 1:
        return Choice(None, dict.fromkeys(names, NOTHING_HELD_OUT), {}, cut, 0, before, happened)
    groups = group_histories(histories=before, unit_days=unit_days)
    later = group_histories(histories=after, unit_days=unit_days)
    results, reasons = {}, {}
    for name in names:
        fit = fit_process(name=name, groups=groups)
        if fit.model is None:
            reasons[name] = str(fit.reason)
        else:
            results[name] = judge(fit, fit.model, groups, later, happened, days / unit_days)
    best = max(results, key=lambda name: results[name].log_likelihood, default=None)
    return Choice(best, reasons, results, cut, days, before, happened)


def judge(fit: Fit, model: Model, groups: Groups, later: Groups, happened: Ints, horizon: float) -> HeldOut:
    """groups, later: the same customers at the cut and `horizon` after it."""
    expected = model.expected(horizon=horizon, x=groups.x, t_x=groups.t_x, age=groups.age)[groups.row]
    ranks = rank_purchases(model=model, groups=groups, horizon=horizon, happened=happened)
    return HeldOut(
        fit=fit,
        log_likelihood=model.total_log_likelihood(later)[0] - model.total_log_likelihood(groups)[0],
        expected=expected,
        held=ranks.held(level=LEVEL),
        errors=errors_of(expected, happened),
    )


def errors_of(expected: Floats, happened: npt.NDArray[np.integer] | Floats) -> Errors:
    """Of n ≥ 1 customers, shape (n,)."""
    varies = np.ptp(expected) > 0 and np.ptp(happened) > 0
    total = float(happened.sum())
    return Errors(
        mae=float(np.abs(expected - happened).mean()),
        bias=float((expected - happened).mean()),
        correlation=float(np.corrcoef(expected, happened)[0, 1]) if varies else None,
        total_ratio=float(expected.sum()) / total if total > 0 else None,
    )
