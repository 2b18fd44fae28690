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
    impressions: Floats
    clicks: Floats

    def __post_init__(self) -> None:
        if not len(self.product) == len(self.position) == len(self.impressions) == len(self.clicks):
            raise ValueError("product, position, shown and clicked must have the same length")
        if len(self.position) and self.position.min() < 1:
            raise ValueError(f"positions count from 1, got {self.position.min()}")
        if ((self.clicks < 0) | (self.clicks > self.impressions)).any():
            raise ValueError("clicked must be between 0 and shown")


@dataclass(frozen=True, eq=False)
class ExaminationCurve:
    """``examination[k − 1]``: examination probability of position k relative to the first. ``method``: how it was estimated."""

    examination: Floats
    method: str

    def get_examination(self, positions: npt.ArrayLike) -> Floats:
        """Return the examination probability of any positions from 1; beyond the last known one it decreases like the prior."""
        position_array = np.asarray(positions, np.int64)
        last = len(self.examination)
        if not last:
            return compute_prior(position_array)
        beyond = self.examination[-1] * compute_prior(position_array) / compute_prior(np.array(last))
        return np.where(position_array <= last, self.examination[np.minimum(position_array, last) - 1], beyond)


def compute_prior(positions: npt.ArrayLike) -> Floats:
    """Return 1 / log₂(1 + k): 1, 0.63, 0.5, 0.43 … The discount of DCG, used without better data."""
    return 1.0 / np.log2(1.0 + np.asarray(positions, np.float64))


def learn_curve(
    counts: ClickCounts,
    *,
    n_positions: int | None = None,
    min_clicks: int = MIN_CLICKS,
    min_moved_share: float = MIN_MOVED_SHARE,
) -> ExaminationCurve:
    """Estimate the examination curve by the best method the data allow.

    The click model needs ``min_clicks`` and enough products shown at several positions; with some clicks the cascade is used, else
    the prior. Positions that were never shown decrease like the prior.
    """
    last = n_positions or int(counts.position.max(initial=0))
    clicks = counts.clicks.sum()
    if not last or clicks < MIN_CLICKS_CASCADE:
        return ExaminationCurve(compute_prior(np.arange(1, last + 1)), PRIOR)
    if clicks >= min_clicks and compute_moved_share(counts) >= min_moved_share:
        return ExaminationCurve(fit_click_model(counts, last), CLICK_MODEL)
    return ExaminationCurve(fit_cascade(counts, last), CASCADE)


def compute_moved_share(counts: ClickCounts) -> float:
    """Return the share of impressions whose product was shown at more than one position."""
    # There is one entry per product and position, so this is the number of positions of each product.
    positions = np.bincount(counts.product[counts.impressions > 0])
    is_moved = positions[counts.product] > 1 if len(positions) else np.zeros(0, np.bool_)
    return float(counts.impressions[is_moved].sum() / max(counts.impressions.sum(), TINY))


def fit_cascade(counts: ClickCounts, last: int) -> Floats:
    """Return θ_k = prior_k · Π_{j<k} (1 − clicked_j / shown_j): users stop after a click, and with the prior also without one.

    Source: the cascade model of Craswell et al. 2008, whose users never give up; the prior accounts for those who do.
    """
    shown = np.bincount(counts.position, counts.impressions, last + 1)[1 : last + 1]
    clicked = np.bincount(counts.position, counts.clicks, last + 1)[1 : last + 1]
    rates = clicked / np.maximum(shown, 1.0)
    return compute_prior(np.arange(1, last + 1)) * np.concatenate([[1.0], np.cumprod(1.0 - rates)[:-1]])


def fit_click_model(counts: ClickCounts, last: int, *, tolerance: float = 1e-6, max_steps: int = 2000) -> Floats:
    """Return θ_k / θ_1 of the most likely position-based model for positions 1…last."""
    is_used = (counts.impressions > 0) & (counts.position <= last)
    products, product = np.unique(counts.product[is_used], return_inverse=True)
    model = _ClickModel(
        product,
        counts.position[is_used] - 1,
        counts.impressions[is_used],
        counts.clicks[is_used],
        prior_position=np.minimum(compute_prior(np.arange(1, last + 1)), 1.0 - 1e-3),  # keeps ln(1 − θ) finite
        prior_product=float(
            np.clip(counts.clicks.sum() / (counts.impressions * compute_prior(counts.position)).sum(), 1e-6, 0.9)
        ),
    )
    start = np.concatenate([model.prior_position, np.full(len(products), model.prior_product)])
    theta = _find_fixed_point(model, start, tolerance, max_steps)[:last]
    return theta / theta[0]


@dataclass(frozen=True, eq=False)
class _ClickModel:
    """The data and the priors; parameters are one array, θ of the positions followed by γ of the products."""

    product: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    impressions: Floats
    clicks: Floats
    prior_position: Floats
    prior_product: float

    def step(self, x: Floats) -> Floats:
        """Run one round of EM: expected examinations of each position and attractions of each product, given the clicks."""
        positions = len(self.prior_position)
        theta, gamma = x[:positions][self.position], x[positions:][self.product]
        # Without a click, the position was examined with probability θ (1 − γ) / (1 − θ γ) and the product was attractive
        # with probability γ (1 − θ) / (1 − θ γ).
        skip_weight = (self.impressions - self.clicks) / np.maximum(1.0 - theta * gamma, TINY)
        examined = self.clicks + skip_weight * theta * (1.0 - gamma)
        attracted = self.clicks + skip_weight * gamma * (1.0 - theta)
        return np.clip(
            np.concatenate(
                [
                    self._estimate_rates(self.position, examined, self.prior_position, PRIOR_POSITION),
                    self._estimate_rates(
                        self.product, attracted, np.full(len(x) - positions, self.prior_product), PRIOR_PRODUCT
                    ),
                ]
            ),
            TINY,
            1.0 - TINY,
        )

    def _estimate_rates(
        self, group: npt.NDArray[np.int64], expected_hits: Floats, prior: Floats, weight: float
    ) -> Floats:
        n = len(prior)
        total = np.bincount(group, self.impressions, n)
        return (np.bincount(group, expected_hits, n) + weight * prior) / (total + weight)

    def compute_likelihood(self, x: Floats) -> float:
        """Return the log likelihood with the priors."""
        positions = len(self.prior_position)
        theta, gamma = x[:positions], x[positions:]
        click_probability = theta[self.position] * gamma[self.product]
        data_likelihood = self.clicks @ np.log(click_probability) + (self.impressions - self.clicks) @ np.log1p(
            -click_probability
        )
        return float(
            data_likelihood
            + PRIOR_POSITION * _log_beta(theta, self.prior_position)
            + PRIOR_PRODUCT * _log_beta(gamma, np.full(len(gamma), self.prior_product))
        )


def _log_beta(x: Floats, mean: Floats) -> float:
    return float(mean @ np.log(x) + (1.0 - mean) @ np.log1p(-x))


def _find_fixed_point(model: _ClickModel, x: Floats, tolerance: float, max_steps: int) -> Floats:
    """Iterate SQUAREM: two EM steps give the direction and length of a third; the likelihood never decreases."""
    for _step in range(max_steps):
        first = model.step(x)
        second = model.step(first)
        r, v = first - x, second - 2.0 * first + x
        if np.abs(r).max() < tolerance:
            return second
        length = -np.linalg.norm(r) / max(float(np.linalg.norm(v)), TINY)
        accepted = second
        # A length of -1 is the second EM step itself; only longer steps save work.
        if length < -1.0:
            extrapolated = np.clip(x - 2.0 * length * r + length * length * v, TINY, 1.0 - TINY)
            extrapolated = model.step(extrapolated)
            # An extrapolation may leave the region where it helps, so it is kept only if it beats the plain step.
            if model.compute_likelihood(extrapolated) >= model.compute_likelihood(second):
                accepted = extrapolated
        x = accepted
    return x
