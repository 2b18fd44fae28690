"""Pareto/NBD: purchases at a rate λ during a lifetime that ends at a rate μ.

λ ~ Gamma(r, α), μ ~ Gamma(s, β); the lifetime can end at any moment.
Sources: Schmittlein, Morrison & Colombo, Management Science 1987; Fader & Hardie, "A note on deriving the Pareto/NBD model", 2005.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import exprel, gammaln, psi

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.kernels import (
    FINEST_RULE,
    NODES,
    WEIGHTS,
    compute_lifetime_terms,
    sum_lifetime_terms,
)
from customers.lifecycle.scoring.clv.models.purchase_model import (
    PositiveParameters,
    check_histories,
    compute_rate_posterior,
    to_horizons,
)
from customers.lifecycle.scoring.clv.prediction.tail_kernels import compute_tails_in_lifetime
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups


@dataclass(frozen=True)
class ParetoNbd(PositiveParameters):
    """The Pareto/NBD model; α and β are times."""

    r: float
    alpha: float
    s: float
    beta: float

    name = "pareto_nbd"
    time_parameters = ("alpha", "beta")

    def log_likelihood(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return ln L of each history, shape (n,).

        L = Γ(r+x) α^r β^s / Γ(r) · [(α+T)^−(r+x) (β+T)^−s + s ∫_{t_x}^T (α+τ)^−(r+x) (β+τ)^−(s+1) dτ]. The integral is usually
        written with two ₂F₁, of which one overflows or cancels for many purchases; here it is a quadrature on a logarithmic scale.
        """
        alive, dropped_out = self._compute_terms(x, t_x, age)
        common = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        result: Floats = common + np.logaddexp(alive, dropped_out)
        return result

    def total_log_likelihood(self, groups: HistoryGroups) -> tuple[float, Floats]:
        """Return Σ weight · ln L and its derivatives by r, α, s, β, shape (4,)."""
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        x, weight = groups.customers_by_x
        n = weight.sum()
        total = weight @ (gammaln(r + x) - gammaln(r)) + n * (r * np.log(alpha) + s * np.log(beta))
        by_r = weight @ (psi(r + x) - psi(r)) + n * np.log(alpha)
        rows, *by_rows = sum_lifetime_terms(
            groups.x, groups.t_x, groups.age, groups.weight, r, alpha, s, beta, NODES, WEIGHTS
        )
        return float(total + rows), np.array([by_r, n * r / alpha, n * np.log(beta), n * s / beta]) + by_rows

    def probability_alive(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return P(alive at T), shape (n,): the first of the two terms of L over their sum."""
        alive, dropped_out = self._compute_terms(x, t_x, age)
        result: Floats = np.exp(alive - np.logaddexp(alive, dropped_out))
        return result

    def expected_purchases(self, *, horizon: npt.ArrayLike, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """Return E[purchases in (T, T + horizon]], shape (n,), or (n, h) for horizons of shape (h,)."""
        horizons = to_horizons(horizon)
        result = self.probability_alive(x=x, t_x=t_x, age=age)[:, None] * self.expected_purchases_if_alive(
            horizon=horizons, x=x, age=age
        )
        return result if np.ndim(horizon) else result[:, 0]

    def expected_purchases_if_alive(self, *, horizon: Floats, x: Ints, age: Floats) -> Floats:
        """Return (n, h): (r+x)(β+T) / (α+T) · [1 − ((β+T)/(β+T+t))^(s−1)] / (s−1), also for s = 1."""
        log_reach = np.log1p(horizon[None, :] / (self.beta + age)[:, None])
        rate = (self.r + x) * (self.beta + age) / (self.alpha + age)
        result: Floats = rate[:, None] * log_reach * exprel((1.0 - self.s) * log_reach)
        return result

    def purchase_tails_if_alive(
        self, *, horizon: float, x: int, age: Floats, max_purchases: int, drift: float = np.inf
    ) -> Floats:
        """Return P(at least k purchases in the horizon | alive), (n, max_purchases + 1).

        k runs from 0; all customers have x repeats. drift: as for `compute_rate_posterior`.
        """
        shape, rate = compute_rate_posterior(r=self.r, alpha=self.alpha, x=x, age=age, horizon=horizon, drift=drift)
        return compute_tails_in_lifetime(
            shape,
            rate,
            self.s,
            self.beta + age,
            horizon,
            max_purchases,
            NODES[FINEST_RULE:],
            WEIGHTS[FINEST_RULE:],
        )

    def _compute_terms(self, x: Ints, t_x: Floats, age: Floats) -> tuple[Floats, Floats]:
        """Return the logarithms of the two terms of L."""
        check_histories(x, t_x, age)
        x, t_x, age = x.astype(np.int64), t_x.astype(np.float64), age.astype(np.float64)
        alive, dropped_out = compute_lifetime_terms(x, t_x, age, self.r, self.alpha, self.s, self.beta, NODES, WEIGHTS)
        return alive, dropped_out
