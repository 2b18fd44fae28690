"""Estimates position bias: the probability that a customer examines a position, from logged impressions and clicks.

Position-based click model: a user clicks what they examine and want, P(click | product g at position k) = θ_k · γ_g, with θ_k the
probability that position k is examined and γ_g that the product is wanted once it is. Sources: Richardson, Dominowska & Ragno, WWW
2007; Craswell, Zoeter, Taylor & Ramsey, WSDM 2008; expectation maximization as in Wang, Golbandi, Bendersky, Metzler & Najork, WSDM
2018, with one γ per product, shrunk to the mean by a Beta prior, where they regress it on features: no features of a response are
logged. Steps are extrapolated by SQUAREM (Varadhan & Roland, Scandinavian Journal of Statistics 2008), because plain EM converges
slowly when clicks are rare.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats

CLICK_MODEL, CASCADE, PRIOR = "click_model", "cascade", "prior"
MIN_CLICKS = 300
MIN_CLICKS_CASCADE = 30
MIN_MOVED_SHARE = 0.2  # share of impressions of products shown at several positions; without these, position and product are confounded
PRIOR_PRODUCT, PRIOR_POSITION = 5.0, 20.0  # weight of the priors in impressions and examinations
TINY = 1e-9


@dataclass(frozen=True, eq=False)
class ClickCounts:
    """Aligned arrays: ``product`` numbers from 0, ``position`` from 1, impressions and clicks there."""

    product: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    shown: Floats
    clicked: Floats

    def __post_init__(self) -> None:
        if not len(self.product) == len(self.position) == len(self.shown) == len(self.clicked):
            raise ValueError("product, position, shown and clicked must have the same length")
        if len(self.position) and self.position.min() < 1:
            raise ValueError(f"positions count from 1, got {self.position.min()}")
        if ((self.clicked < 0) | (self.clicked > self.shown)).any():
            raise ValueError("clicked must be between 0 and shown")


@dataclass(frozen=True, eq=False)
class ExaminationCurve:
    """``examination[k − 1]``: examination probability of position k relative to the first. ``method``: how it was estimated."""

    examination: Floats
    method: str

    def at(self, positions: npt.ArrayLike) -> Floats:
        """Return the value at any positions from 1; beyond the last known one it decreases as the prior does."""
        wanted = np.asarray(positions, np.int64)
        last = len(self.examination)
        if not last:
            return compute_prior(wanted)
        beyond = self.examination[-1] * compute_prior(wanted) / compute_prior(np.array(last))
        return np.where(wanted <= last, self.examination[np.minimum(wanted, last) - 1], beyond)


def compute_prior(positions: npt.ArrayLike) -> Floats:
    """Return 1 / log₂(1 + k): 1, 0.63, 0.5, 0.43 … The discount of DCG, used without better data."""
    return 1.0 / np.log2(1.0 + np.asarray(positions, np.float64))


def learn_curve(
    counts: ClickCounts,
    *,
    n_positions: int | None = None,
    fewest_clicks: int = MIN_CLICKS,
    least_moved: float = MIN_MOVED_SHARE,
) -> ExaminationCurve:
    """Estimate the examination curve by the best method the data allow.

    The click model needs ``fewest_clicks`` and enough products shown at several positions; with some clicks the cascade is used, else
    the prior. Positions that were never shown decrease as the prior does.
    """
    last = n_positions or int(counts.position.max(initial=0))
    clicks = counts.clicked.sum()
    if not last or clicks < MIN_CLICKS_CASCADE:
        return ExaminationCurve(compute_prior(np.arange(1, last + 1)), PRIOR)
    if clicks >= fewest_clicks and compute_moved_share(counts) >= least_moved:
        return ExaminationCurve(fit_click_model(counts, last), CLICK_MODEL)
    return ExaminationCurve(fit_cascade(counts, last), CASCADE)


def compute_moved_share(counts: ClickCounts) -> float:
    """Return the share of impressions whose product was shown at more than one position."""
    positions = np.bincount(counts.product[counts.shown > 0])
    moved = positions[counts.product] > 1 if len(positions) else np.zeros(0, np.bool_)
    return float(counts.shown[moved].sum() / max(counts.shown.sum(), TINY))


def fit_cascade(counts: ClickCounts, last: int) -> Floats:
    """Return θ_k = prior_k · Π_{j<k} (1 − clicked_j / shown_j): users stop after a click, else go on as the prior says.

    Source: the cascade model of Craswell et al. 2008, whose users never give up, here with the prior as their patience.
    """
    shown = np.bincount(counts.position, counts.shown, last + 1)[1 : last + 1]
    clicked = np.bincount(counts.position, counts.clicked, last + 1)[1 : last + 1]
    rates = clicked / np.maximum(shown, 1.0)
    return compute_prior(np.arange(1, last + 1)) * np.concatenate([[1.0], np.cumprod(1.0 - rates)[:-1]])


def fit_click_model(counts: ClickCounts, last: int, *, tolerance: float = 1e-6, most_steps: int = 2000) -> Floats:
    """Return θ_k / θ_1 of the most likely position-based model for positions 1…last."""
    chosen = (counts.shown > 0) & (counts.position <= last)
    products, product = np.unique(counts.product[chosen], return_inverse=True)
    model = _ClickModel(
        product,
        counts.position[chosen] - 1,
        counts.shown[chosen],
        counts.clicked[chosen],
        prior_position=np.minimum(compute_prior(np.arange(1, last + 1)), 1.0 - 1e-3),
        prior_product=float(
            np.clip(counts.clicked.sum() / (counts.shown * compute_prior(counts.position)).sum(), 1e-6, 0.9)
        ),
    )
    start = np.concatenate([model.prior_position, np.full(len(products), model.prior_product)])
    theta = _fixed_point(model, start, tolerance, most_steps)[:last]
    return theta / theta[0]


@dataclass(frozen=True, eq=False)
class _ClickModel:
    """The data and the priors; parameters are one array, θ of the positions followed by γ of the products."""

    product: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    shown: Floats
    clicked: Floats
    prior_position: Floats
    prior_product: float

    def step(self, x: Floats) -> Floats:
        """Run one round of EM: expected examinations of each position and wants of each product, given the clicks."""
        positions = len(self.prior_position)
        theta, gamma = x[:positions][self.position], x[positions:][self.product]
        ignored = (self.shown - self.clicked) / np.maximum(1.0 - theta * gamma, TINY)
        looked = self.clicked + ignored * theta * (1.0 - gamma)
        wanted = self.clicked + ignored * gamma * (1.0 - theta)
        return np.clip(
            np.concatenate(
                [
                    self._mean(self.position, looked, self.prior_position, PRIOR_POSITION),
                    self._mean(self.product, wanted, np.full(len(x) - positions, self.prior_product), PRIOR_PRODUCT),
                ]
            ),
            TINY,
            1.0 - TINY,
        )

    def _mean(self, place: npt.NDArray[np.int64], hits: Floats, expected: Floats, weight: float) -> Floats:
        n = len(expected)
        total = np.bincount(place, self.shown, n)
        return (np.bincount(place, hits, n) + weight * expected) / (total + weight)

    def likelihood(self, x: Floats) -> float:
        """Return the log likelihood with the priors."""
        positions = len(self.prior_position)
        theta, gamma = x[:positions], x[positions:]
        chance = theta[self.position] * gamma[self.product]
        data = self.clicked @ np.log(chance) + (self.shown - self.clicked) @ np.log1p(-chance)
        return float(
            data
            + PRIOR_POSITION * _log_beta(theta, self.prior_position)
            + PRIOR_PRODUCT * _log_beta(gamma, np.full(len(gamma), self.prior_product))
        )


def _log_beta(x: Floats, mean: Floats) -> float:
    return float(mean @ np.log(x) + (1.0 - mean) @ np.log1p(-x))


def _fixed_point(model: _ClickModel, x: Floats, tolerance: float, most_steps: int) -> Floats:
    """Iterate SQUAREM: two EM steps give the direction and length of a third; the likelihood never decreases."""
    for _step in range(most_steps):
        first = model.step(x)
        second = model.step(first)
        r, v = first - x, second - 2.0 * first + x
        if np.abs(r).max() < tolerance:
            return second
        length = -np.linalg.norm(r) / max(float(np.linalg.norm(v)), TINY)
        longer = second
        if length < -1.0:
            jumped = np.clip(x - 2.0 * length * r + length * length * v, TINY, 1.0 - TINY)
            jumped = model.step(jumped)
            if model.likelihood(jumped) >= model.likelihood(second):
                longer = jumped
        x = longer
    return x
