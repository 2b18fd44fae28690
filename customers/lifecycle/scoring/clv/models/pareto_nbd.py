"""Pareto/NBD: purchases at a rate λ ~ Gamma(r, α) during a lifetime that ends at a rate μ ~ Gamma(s, β), at any moment.

Sources: Schmittlein, Morrison & Colombo, Management Science 1987; Fader & Hardie, "A note on deriving the Pareto/NBD model", 2005.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import exprel, gammaln, psi

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.kernels import FINEST, NODES, WEIGHTS, lifetime_sums, lifetime_terms
from customers.lifecycle.scoring.clv.models.purchase_model import Parameters, as_horizons, check_histories
from customers.lifecycle.scoring.clv.prediction.tail_kernels import tails_in_lifetime
from customers.lifecycle.scoring.clv.purchase_histories import Groups


@dataclass(frozen=True)
class ParetoNbd(Parameters):
    r: float
    alpha: float
    s: float
    beta: float

    name = "pareto_nbd"
    times = ("alpha", "beta")

    def log_likelihood(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """ln L of each history, shape (n,).

        L = Γ(r+x) α^r β^s / Γ(r) · [(α+T)^−(r+x) (β+T)^−s + s ∫_{t_x}^T (α+τ)^−(r+x) (β+τ)^−(s+1) dτ]. The integral, usually
        written with two ₂F₁ of which one overflows or cancels for many purchases, is taken by quadrature on a logarithmic scale.
        """
        alive, left = self._terms(x, t_x, age)
        common = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        result: Floats = common + np.logaddexp(alive, left)
        return result

    def total_log_likelihood(self, groups: Groups) -> tuple[float, Floats]:
        """Σ weight · ln L, and its derivatives by r, α, s, β, shape (4,)."""
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        x, weight = groups.by_x
        n = weight.sum()
        total = weight @ (gammaln(r + x) - gammaln(r)) + n * (r * np.log(alpha) + s * np.log(beta))
        by_r = weight @ (psi(r + x) - psi(r)) + n * np.log(alpha)
        rows, *by_rows = lifetime_sums(
            groups.x, groups.t_x, groups.age, groups.weight, r, alpha, s, beta, NODES, WEIGHTS
        )
        return float(total + rows), np.array([by_r, n * r / alpha, n * np.log(beta), n * s / beta]) + by_rows

    def alive(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """P(alive at T), shape (n,): the first of the two terms of L over their sum."""
        alive, left = self._terms(x, t_x, age)
        result: Floats = np.exp(alive - np.logaddexp(alive, left))
        return result

    def expected(self, *, horizon: npt.ArrayLike, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """E[purchases in (T, T + horizon]], shape (n,), or (n, h) for horizons of shape (h,)."""
        horizons = as_horizons(horizon)
        result = self.alive(x=x, t_x=t_x, age=age)[:, None] * self.expected_if_alive(horizon=horizons, x=x, age=age)
        return result if np.ndim(horizon) else result[:, 0]

    def expected_if_alive(self, *, horizon: Floats, x: Ints, age: Floats) -> Floats:
        """(n, h): (r+x)(β+T) / (α+T) · [1 − ((β+T)/(β+T+t))^(s−1)] / (s−1), also for s = 1."""
        log_reach = np.log1p(horizon[None, :] / (self.beta + age)[:, None])
        rate = (self.r + x) * (self.beta + age) / (self.alpha + age)
        result: Floats = rate[:, None] * log_reach * exprel((1.0 - self.s) * log_reach)
        return result

    def tails_if_alive(self, *, horizon: float, x: int, age: Floats, most: int) -> Floats:
        """(n, most + 1): P(at least k purchases in the horizon | alive) for k from 0; everybody has made x."""
        return tails_in_lifetime(
            self.r + x, self.alpha + age, self.s, self.beta + age, horizon, most, NODES[FINEST:], WEIGHTS[FINEST:]
        )

    def _terms(self, x: Ints, t_x: Floats, age: Floats) -> tuple[Floats, Floats]:
        check_histories(x, t_x, age)
        x, t_x, age = x.astype(np.int64), t_x.astype(np.float64), age.astype(np.float64)
        alive, left = lifetime_terms(x, t_x, age, self.r, self.alpha, self.s, self.beta, NODES, WEIGHTS)
        return alive, left
