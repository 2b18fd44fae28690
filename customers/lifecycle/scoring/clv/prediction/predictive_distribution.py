"""The exact distribution of what a customer will buy and spend within a horizon, without drawing at random.

Given alive, the number of purchases Y depends on (x, T) only, and a customer's spend is (γ + x m̄) · U, where U given Y = y is a beta
prime variable, Beta′(p y, q + p x): the purchases are Gamma(p, ν) each, and ν ~ Gamma(q + p x, γ + x m̄) given what was seen. So a
million customers need the distribution of U for some thousand pairs (x, T), and P(alive) does the rest.
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
from customers.lifecycle.scoring.clv.purchase_histories import Groups

type Rows = npt.NDArray[np.intp]

NEGLIGIBLE = 1e-4  # the chance of more purchases than are looked at
POINTS = 128  # of the distribution of spend, evenly in ln u; linear between them
ONE_BY_ONE = 24  # numbers of purchases; larger ones are taken together
COARSENESS = 1.08
STATES_AT_ONCE = 64


class Tails(Protocol):
    """The part of a buying process that is needed here."""

    @property
    def r(self) -> float: ...

    @property
    def alpha(self) -> float: ...

    def tails_if_alive(self, *, horizon: float, x: int, age: Floats, most: int) -> Floats: ...


@dataclass(frozen=True, eq=False)
class States:
    """The s different pairs (x, T) of groups, sorted: x, age of shape (s,); `of`: shape (g,), the pair of each group."""

    x: Ints
    age: Floats
    of: Rows


@dataclass(frozen=True, eq=False)
class Outlook:
    """States `first` … `first + k − 1`, all of one x, given alive.

    tails: (k, most + 1), P(Y ≥ y). curves: (k, 128), P(U > u) at the ascending u whose logarithms are log_u, shape (128,);
    without a model of spend, both are empty.
    """

    first: int
    tails: Floats
    curves: Floats
    log_u: Floats


def states_of(groups: Groups) -> States:
    ages, age_of = np.unique(groups.age, return_inverse=True)
    different, of = np.unique(groups.x * max(len(ages), 1) + age_of, return_inverse=True)
    return States(different // max(len(ages), 1), ages[different % max(len(ages), 1)], of)


def outlooks(*, model: Tails, spend: GammaGamma | None, states: States, horizon: float) -> Iterator[Outlook]:
    """In the order of the states."""
    borders = np.r_[np.flatnonzero(np.diff(states.x, prepend=-1)), len(states.x)]
    for start, stop in pairwise(borders.tolist()):
        x = int(states.x[start])
        bins = _bins(_most(model, x, float(states.age[start]), horizon))
        log_u, given_bin = _spend_given_purchases(spend, x, bins)
        for first in range(start, stop, STATES_AT_ONCE):
            age = states.age[first : min(first + STATES_AT_ONCE, stop)]
            most = _most(model, x, float(age[0]), horizon)
            tails = model.tails_if_alive(horizon=horizon, x=x, age=age, most=most)
            used = bins[bins <= most]
            reached = tails[:, used]
            reached[:, :-1] -= reached[:, 1:]
            yield Outlook(first, tails, reached @ given_bin[: len(used)], log_u)


def _most(model: Tails, x: int, age: float, horizon: float) -> int:
    """More purchases than those who never leave make, but for a chance of 1e-4."""
    none = (model.alpha + age) / (model.alpha + age + horizon)
    return 1 + max(int(nbinom.isf(NEGLIGIBLE, model.r + x, none)), 1)


def _bins(most: int) -> Rows:
    """The least number of purchases of each bin, from 1."""
    if most <= ONE_BY_ONE:
        return np.arange(1, most + 1)
    steps = int(np.ceil(np.log(most / ONE_BY_ONE) / np.log(COARSENESS)))
    return np.r_[1:ONE_BY_ONE, np.unique(np.geomspace(ONE_BY_ONE, most, steps + 1).astype(np.intp))]


def _spend_given_purchases(spend: GammaGamma | None, x: int, bins: Rows) -> tuple[Floats, Floats]:
    """ln u, shape (128,), and P(U > u | Y in bin), (bins, 128)."""
    if spend is None:
        return np.empty(0), np.empty((len(bins), 0))
    shape = spend.p * (bins + np.r_[(np.diff(bins) - 1) / 2.0, 0.0])
    q = spend.q + spend.p * x
    least = betaincinv(shape[0], q, 1e-3)
    rest = betaincinv(q, shape[-1], 1e-3)  # 1 − the largest
    log_u = np.linspace(np.log(least) - np.log1p(-least), np.log1p(-rest) - np.log(rest), POINTS)
    return log_u, betaincc(shape[:, None], q, 1.0 / (1.0 + np.exp(-log_u))[None, :])
