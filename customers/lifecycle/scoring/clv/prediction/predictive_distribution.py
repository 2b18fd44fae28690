"""The exact distribution of purchases and spend within a horizon, without random draws.

Given alive, the number of purchases Y depends on (x, T) only, and a customer's spend is (γ + x m̄) · U, where U given Y = y is a
beta prime variable, Beta′(p y, q + p x): the purchases are Gamma(p, ν) each, and the posterior of ν is Gamma(q + p x, γ + x m̄). So
a million customers need the distribution of U for some thousand pairs (x, T) only, and P(alive) does the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc, betaincinv

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.purchase_model import compute_rate_posterior
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

type Rows = npt.NDArray[np.intp]

NEGLIGIBLE_TAIL = 1e-4  # probability of more purchases than are considered
GRID_POINTS = 128  # grid points of the spend distribution, even in ln u, linear in between
EXACT_COUNTS = 24  # purchase counts up to here are separate; larger ones share a bin
BIN_GROWTH = 1.08  # ratio of consecutive bin borders
STATES_PER_BATCH = 64  # bounds the memory of a matrix product


class TailModel(Protocol):
    """The part of a purchase model that is needed here."""

    @property
    def r(self) -> float: ...

    @property
    def alpha(self) -> float: ...

    def purchase_tails_if_alive(
        self, *, horizon: float, x: int, age: Floats, max_purchases: int, drift: float = np.inf
    ) -> Floats: ...


@dataclass(frozen=True, eq=False)
class PurchaseStates:
    """The s distinct pairs (x, T) of groups, sorted: x, age of shape (s,).

    `state_of`: shape (g,), the pair of each group.
    """

    x: Ints
    age: Floats
    state_of: Rows


@dataclass(frozen=True, eq=False)
class PredictiveDistribution:
    """Distributions of the states `first` … `first + k − 1`, all of one x, given alive.

    tails: (k, max_purchases + 1), P(Y ≥ y). bins: the smallest number of purchases of each bin, shape (b,), from 1;
    bin_probabilities: (k, b). curves: (k, 128), P(U > u) at the ascending u whose logarithms are log_u, shape (128,); without a spend
    model, both are empty.
    """

    first: int
    x: int
    tails: Floats
    bins: Rows
    bin_probabilities: Floats
    curves: Floats
    log_u: Floats


def find_states(groups: HistoryGroups) -> PurchaseStates:
    """Return the distinct states of the groups."""
    ages, age_of = np.unique(groups.age, return_inverse=True)
    # One integer key per pair, as in `group_histories`.
    keys, state_of = np.unique(groups.x * max(len(ages), 1) + age_of, return_inverse=True)
    return PurchaseStates(keys // max(len(ages), 1), ages[keys % max(len(ages), 1)], state_of)


def iterate_distributions(
    *, model: TailModel, spend: GammaGamma | None, states: PurchaseStates, horizon: float, drift: float = np.inf
) -> Iterator[PredictiveDistribution]:
    """Yield the distributions in the order of the states.

    drift: as for `compute_rate_posterior`.
    """
    borders = np.r_[np.flatnonzero(np.diff(states.x, prepend=-1)), len(states.x)]
    firsts = [np.arange(start, stop, STATES_PER_BATCH) for start, stop in pairwise(borders.tolist())]
    bounds = _bound_purchases(model, states, firsts, borders[1:], horizon, drift)
    for batches, max_of_batch, stop in zip(firsts, bounds, borders[1:].tolist(), strict=True):
        x = int(states.x[batches[0]])
        bins = _build_bins(max(max_of_batch))
        log_u, given_bin = _compute_spend_tails(spend, x, bins)
        for first, max_purchases in zip(batches.tolist(), max_of_batch, strict=True):
            age = states.age[first : min(first + STATES_PER_BATCH, stop)]
            tails = model.purchase_tails_if_alive(
                horizon=horizon, x=x, age=age, max_purchases=max_purchases, drift=drift
            )
            used_bins = bins[bins <= max_purchases]
            bin_probabilities = tails[:, used_bins]
            # P(Y ≥ bin) − P(Y ≥ next bin); the last bin has the whole tail.
            bin_probabilities[:, :-1] -= bin_probabilities[:, 1:]
            curves = bin_probabilities @ given_bin[: len(used_bins)]
            yield PredictiveDistribution(first, x, tails, used_bins, bin_probabilities, curves, log_u)


def compute_spend_exceedance(
    *, spend: GammaGamma, distribution: PredictiveDistribution, state: Ints, u: Floats
) -> Floats:
    """Return P(U > u) given alive, shape (n,), for customers in these states of the distribution, without interpolation."""
    shape = _compute_bin_shapes(spend, distribution.bins)
    exceeded = betaincc(shape[None, :], spend.q + spend.p * distribution.x, (u / (1.0 + u))[:, None])
    return np.asarray(np.sum(distribution.bin_probabilities[state] * exceeded, axis=1))


def _bound_purchases(
    model: TailModel, states: PurchaseStates, firsts: list[Rows], stops: Rows, horizon: float, drift: float
) -> list[list[int]]:
    """Return a bound on purchases for each batch of each x.

    Customers who never leave exceed it with a probability below 1e-4. All batches are computed in one call, since its overhead is large.
    """
    from scipy.stats import nbinom  # web processes never need it, and would start more slowly

    if not firsts:
        return []
    first = np.concatenate(firsts)
    sizes = [len(batches) for batches in firsts]
    last = np.minimum(first + STATES_PER_BATCH, np.repeat(stops, sizes)) - 1
    # Customers with the lowest age have the most expected purchases. The rates of those with the highest age have drifted for longest, so
    # their distribution may reach further.
    rows = np.stack([first, last])
    shape, rate = compute_rate_posterior(
        r=model.r, alpha=model.alpha, x=states.x[rows], age=states.age[rows], horizon=horizon, drift=drift
    )
    bounds = 1 + np.maximum(nbinom.isf(NEGLIGIBLE_TAIL, shape, rate / (rate + horizon)).max(axis=0), 1).astype(np.int64)
    return [part.tolist() for part in np.split(bounds, np.cumsum(sizes)[:-1])]


def _build_bins(max_purchases: int) -> Rows:
    """Return the smallest number of purchases of each bin, from 1."""
    if max_purchases <= EXACT_COUNTS:
        return np.arange(1, max_purchases + 1)
    steps = int(np.ceil(np.log(max_purchases / EXACT_COUNTS) / np.log(BIN_GROWTH)))
    return np.r_[1:EXACT_COUNTS, np.unique(np.geomspace(EXACT_COUNTS, max_purchases, steps + 1).astype(np.intp))]


def _compute_spend_tails(spend: GammaGamma | None, x: int, bins: Rows) -> tuple[Floats, Floats]:
    """Return ln u, shape (128,), and P(U > u | Y in bin), (bins, 128)."""
    if spend is None:
        return np.empty(0), np.empty((len(bins), 0))
    shape = _compute_bin_shapes(spend, bins)
    q = spend.q + spend.p * x
    smallest = betaincinv(shape[0], q, 1e-3)
    complement = betaincinv(q, shape[-1], 1e-3)  # 1 − the largest u / (1 + u)
    log_u = np.linspace(np.log(smallest) - np.log1p(-smallest), np.log1p(-complement) - np.log(complement), GRID_POINTS)
    return log_u, betaincc(shape[:, None], q, 1.0 / (1.0 + np.exp(-log_u))[None, :])


def _compute_bin_shapes(spend: GammaGamma, bins: Rows) -> Floats:
    """Return p · y of each bin, y the middle of its purchases."""
    return np.asarray(spend.p * (bins + np.r_[(np.diff(bins) - 1) / 2.0, 0.0]), np.float64)
