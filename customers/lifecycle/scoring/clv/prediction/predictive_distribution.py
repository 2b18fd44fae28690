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
from scipy.stats import nbinom

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

    tails: (k, max_purchases + 1), P(Y ≥ y). curves: (k, 128), P(U > u) at the ascending u whose logarithms are log_u, shape (128,);
    without a spend model, both are empty.
    """

    first: int
    tails: Floats
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
    for start, stop in pairwise(borders.tolist()):
        x = int(states.x[start])
        bins = _build_bins(_bound_purchases(model, x, states.age[start:stop], horizon, drift))
        log_u, given_bin = _compute_spend_tails(spend, x, bins)
        for first in range(start, stop, STATES_PER_BATCH):
            age = states.age[first : min(first + STATES_PER_BATCH, stop)]
            max_purchases = _bound_purchases(model, x, age, horizon, drift)
            tails = model.purchase_tails_if_alive(
                horizon=horizon, x=x, age=age, max_purchases=max_purchases, drift=drift
            )
            used_bins = bins[bins <= max_purchases]
            bin_probabilities = tails[:, used_bins]
            # P(Y ≥ bin) − P(Y ≥ next bin); the last bin has the whole tail.
            bin_probabilities[:, :-1] -= bin_probabilities[:, 1:]
            yield PredictiveDistribution(first, tails, bin_probabilities @ given_bin[: len(used_bins)], log_u)


def _bound_purchases(model: TailModel, x: int, age: Floats, horizon: float, drift: float) -> int:
    """Return a bound on purchases at these ages, which ascend.

    Customers who never leave exceed it with a probability below 1e-4.
    """
    # The youngest expect the most purchases. The oldest drifted for longest, so their distribution may reach further.
    ends = age[[0, -1]] if drift < np.inf else age[:1]
    shape, rate = compute_rate_posterior(r=model.r, alpha=model.alpha, x=x, age=ends, horizon=horizon, drift=drift)
    return 1 + max(int(nbinom.isf(NEGLIGIBLE_TAIL, shape, rate / (rate + horizon)).max()), 1)


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
    shape = spend.p * (bins + np.r_[(np.diff(bins) - 1) / 2.0, 0.0])
    q = spend.q + spend.p * x
    smallest = betaincinv(shape[0], q, 1e-3)
    complement = betaincinv(q, shape[-1], 1e-3)  # 1 − the largest u / (1 + u)
    log_u = np.linspace(np.log(smallest) - np.log1p(-smallest), np.log1p(-complement) - np.log(complement), GRID_POINTS)
    return log_u, betaincc(shape[:, None], q, 1.0 / (1.0 + np.exp(-log_u))[None, :])
