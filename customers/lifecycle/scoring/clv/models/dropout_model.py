"""The common part of BG/NBD and MBG/NBD: Poisson purchases with beta-geometric dropout.

Purchases occur at an individual rate λ ~ Gamma(r, α); after each of them the customer drops out with an individual
probability p ~ Beta(a, b), in MBG/NBD also after the first.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, gammaln, psi

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.kernels import expect_purchases_until_dropout, sum_dropout_terms
from customers.lifecycle.scoring.clv.models.purchase_model import (
    PositiveParameters,
    check_histories,
    compute_rate_posterior,
    to_horizons,
)
from customers.lifecycle.scoring.clv.prediction.tail_kernels import compute_tails_until_dropout
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups


@dataclass(frozen=True)
class BetaGeometricModel(PositiveParameters):
    """BG/NBD (``dropout_after_first`` = 0) or MBG/NBD (1)."""

    r: float
    alpha: float
    a: float
    b: float

    time_parameters = ("alpha",)
    dropout_after_first: ClassVar[int]

    def log_likelihood(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return ln L of each history, shape (n,).

        L = B(a, b')/B(a, b) · Γ(r+x) α^r / Γ(r) · [(α+T)^−(r+x) + δ (α+t_x)^−(r+x)], b' = b + x in BG/NBD and b + x + 1 in
        MBG/NBD, δ = a / (b' − 1), but 0 for x = 0 in BG/NBD.
        """
        check_histories(x, t_x, age)
        shape = self.r + x
        common = gammaln(shape) - gammaln(self.r) + self.r * np.log(self.alpha)
        common += betaln(self.a, self._posterior_b(x)) - betaln(self.a, self.b)
        result: Floats = (
            common - shape * np.log(self.alpha + age) + np.logaddexp(0.0, self._log_odds_dropped_out(x, t_x, age))
        )
        return result

    def total_log_likelihood(self, groups: HistoryGroups) -> tuple[float, Floats]:
        """Return Σ weight · ln L and its derivatives by r, α, a, b, shape (4,)."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x, weight = groups.customers_by_x
        b_posterior = self._posterior_b(x)
        total = weight @ (gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b_posterior) - betaln(a, b))
        by_r = weight @ (psi(r + x) - psi(r) + np.log(alpha))
        digamma_difference = psi(a + b) - psi(a + b_posterior)
        gradient = np.array(
            [
                by_r,
                weight.sum() * r / alpha,
                weight @ digamma_difference,
                weight @ (psi(b_posterior) - psi(b) + digamma_difference),
            ]
        )
        row_total, *by_rows = sum_dropout_terms(
            groups.x, groups.t_x, groups.age, groups.weight, r, alpha, a, b, self.dropout_after_first
        )
        return float(total + row_total), gradient + by_rows

    def probability_alive(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return P(alive at T), shape (n,): 1 / (1 + δ ((α+T)/(α+t_x))^(r+x))."""
        check_histories(x, t_x, age)
        result: Floats = expit(-self._log_odds_dropped_out(x, t_x, age))
        return result

    def expected_purchases(self, *, horizon: npt.ArrayLike, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return E[purchases in (T, T + horizon]], shape (n,), or (n, h) for horizons of shape (h,)."""
        check_histories(x, t_x, age)
        horizons = to_horizons(horizon)
        result = self.expected_purchases_if_alive(horizon=horizons, x=x, age=age)
        result *= self.probability_alive(x=x, t_x=t_x, age=age)[:, None]
        return result if np.ndim(horizon) else result[:, 0]

    def expected_purchases_if_alive(self, *, horizon: Floats, x: Ints, age: Floats) -> Floats:
        """Return (n, h): Σ_j P(K > j) · E[q^j], K ~ NB(r + x, mean (r+x) t/(α+T)), q ~ Beta(b', a).

        Equal to the closed form with ₂F₁ (Fader, Hardie & Lee 2005, eq. 10), but a sum of positive terms: it neither overflows for many
        purchases nor cancels near a = 1.
        """
        reach = horizon[None, :] / (self.alpha + age)[:, None]
        return expect_purchases_until_dropout(np.asarray(self.r + x), reach, self._posterior_b(x), self.a)

    def purchase_tails_if_alive(
        self, *, horizon: float, x: int, age: Floats, max_purchases: int, drift: float = np.inf
    ) -> Floats:
        """Return P(at least k purchases in the horizon | alive), (n, max_purchases + 1).

        k runs from 0; all customers have x repeats. drift: as for `compute_rate_posterior`.
        """
        shape, rate = compute_rate_posterior(r=self.r, alpha=self.alpha, x=x, age=age, horizon=horizon, drift=drift)
        b_posterior = float(self._posterior_b(np.array([x]))[0])
        return compute_tails_until_dropout(shape, horizon / rate, b_posterior, self.a, max_purchases)

    def _posterior_b(self, x: Ints | Floats) -> Floats:
        """Return b', the first parameter of the posterior of the probability to stay."""
        return np.asarray(self.b + x + self.dropout_after_first, np.float64)

    def _log_odds_dropped_out(self, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return the log odds of having dropped out; −∞ where dropout is impossible."""
        can_drop_out = x + self.dropout_after_first > 0
        b_before = np.where(can_drop_out, self._posterior_b(x) - 1.0, 1.0)
        log_odds = np.log(self.a / b_before) + (self.r + x) * np.log1p((age - t_x) / (self.alpha + t_x))
        return np.where(can_drop_out, log_odds, -np.inf)
