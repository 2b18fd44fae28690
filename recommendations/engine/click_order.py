"""Learns from clicks how much popularity and taste count among products that match a query equally well.

The score of a product is s · Π fᵏ_i^θ_i, with factors f (here popularity and personal) and exponents θ; θ = 1 is the default. A click on
product c rather than on another product j of the page that matches the words equally is a pair with P(c before j) = σ(ln score_c −
ln score_j), a pairwise logistic regression on ln f. Pairs are weighted by 1 / P(the position of c is examined), which corrects for
clicks that the first positions get only because they are first. Source: Joachims, Swaminathan & Schnabel, "Unbiased learning-to-rank with biased
feedback", WSDM 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval
from recommendations.engine.evaluation.bootstrap import estimate_intervals

MAX_WEIGHT = 5.0  # limits the variance that rarely examined positions add
PRIOR = 4.0  # of exponents at 1; about as strong as 200 clicks
BOUNDS = (0.1, 4.0)
LEVEL = 0.99  # learned again every night, so a 95% interval would often exclude 0 by chance
SEED = 1


@dataclass(frozen=True, eq=False)
class ClickedPage:
    """The products of a page with clicks, in the order shown.

    group: products with equal numbers match equally well, -1 for pinned ones; offset: ln of the score without the factors; factors:
    (products, m) ln of each factor; examination: of each position; person: whose page it is.
    """

    person: int
    group: npt.NDArray[np.int64]
    offset: Floats
    factors: Floats
    is_clicked: npt.NDArray[np.bool_]
    examination: Floats


@dataclass(frozen=True, eq=False)
class ClickPairs:
    """Pairs of a clicked product and another one: differences of offset and factors; the weights of a clicked product's pairs sum to its weight."""

    person: npt.NDArray[np.int64]
    offset: Floats
    factors: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.weight)


def build_pairs(pages: Sequence[ClickedPage], *, n_factors: int) -> ClickPairs:
    """Return all pairs of the pages."""
    persons, offsets, factors, weights = [], [], [], []
    for page in pages:
        for clicked in np.flatnonzero(page.is_clicked & (page.group >= 0)).tolist():
            others = np.flatnonzero((page.group == page.group[clicked]) & ~page.is_clicked)
            if not len(others):
                continue
            persons.append(np.full(len(others), page.person, np.int64))
            offsets.append(page.offset[clicked] - page.offset[others])
            factors.append(page.factors[clicked] - page.factors[others])
            weight = min(1.0 / max(float(page.examination[clicked]), 1e-9), MAX_WEIGHT)
            weights.append(np.full(len(others), weight / len(others)))
    if not weights:
        return ClickPairs(np.empty(0, np.int64), np.empty(0), np.empty((0, n_factors)), np.empty(0))
    return ClickPairs(np.concatenate(persons), np.concatenate(offsets), np.vstack(factors), np.concatenate(weights))


def fit_exponents(pairs: ClickPairs) -> Floats:
    """Return the exponents of the factors: the largest likelihood with a normal prior around 1, within BOUNDS."""
    n_factors = pairs.factors.shape[1]
    start = np.ones(n_factors)
    if not len(pairs):
        return start

    def compute_loss(exponents: Floats) -> tuple[float, Floats]:
        margin = pairs.offset + pairs.factors @ exponents
        loss = pairs.weight @ np.logaddexp(0.0, -margin) + PRIOR / 2 * ((exponents - 1) ** 2).sum()
        return float(loss), PRIOR * (exponents - 1) - pairs.factors.T @ (pairs.weight * expit(-margin))

    return np.asarray(minimize(compute_loss, start, jac=True, method="L-BFGS-B", bounds=[BOUNDS] * n_factors).x)


def estimate_gain(pairs: ClickPairs, exponents: Floats) -> ConfidenceInterval:
    """Return by how much the share of correctly ordered pairs exceeds that of the default exponents, with its interval over people."""
    learned = compute_order(pairs, exponents)
    default = compute_order(pairs, np.ones(pairs.factors.shape[1]))
    people, number = np.unique(pairs.person, return_inverse=True)
    by_person = np.bincount(number, pairs.weight * (learned - default), len(people))
    mean_weight = pairs.weight.sum() / max(len(people), 1)
    (interval,) = estimate_intervals(by_person[:, None] / max(mean_weight, 1e-9), seed=SEED, level=LEVEL)
    return interval


def compute_order(pairs: ClickPairs, exponents: Floats) -> Floats:
    """Return 1 for each pair in which the clicked product scores higher, 0.5 for equal scores, else 0."""
    return 0.5 + 0.5 * np.sign(np.round(pairs.offset + pairs.factors @ exponents, 9))
