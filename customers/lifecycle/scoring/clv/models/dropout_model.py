"""What BG/NBD and MBG/NBD share: purchases come at a personal rate λ ~ Gamma(r, α), and after each of them the customer leaves with
a personal chance p ~ Beta(a, b); in MBG/NBD also after the first."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, gammaln, psi

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.models.kernels import dropout_sums, expected_until_dropout
from customers.lifecycle.scoring.clv.models.purchase_model import Parameters, as_horizons, check_histories
from customers.lifecycle.scoring.clv.prediction.tail_kernels import tails_until_dropout
from customers.lifecycle.scoring.clv.purchase_histories import Groups


@dataclass(frozen=True)
class UntilDropout(Parameters):
    r: float
    alpha: float
    a: float
    b: float

    times = ("alpha",)
    may_leave_at_once: ClassVar[int]

    def log_likelihood(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """ln L of each history, shape (n,).

        L = B(a, b')/B(a, b) · Γ(r+x) α^r / Γ(r) · [(α+T)^−(r+x) + δ (α+t_x)^−(r+x)], b' = b + x in BG/NBD and b + x + 1 in
        MBG/NBD, δ = a / (b' − 1), but 0 for x = 0 in BG/NBD.
        """
        check_histories(x, t_x, age)
        s = self.r + x
        common = gammaln(s) - gammaln(self.r) + self.r * np.log(self.alpha)
        common += betaln(self.a, self._stay(x)) - betaln(self.a, self.b)
        result: Floats = common - s * np.log(self.alpha + age) + np.logaddexp(0.0, self._log_odds_left(x, t_x, age))
        return result

    def total_log_likelihood(self, groups: Groups) -> tuple[float, Floats]:
        """Σ weight · ln L, and its derivatives by r, α, a, b, shape (4,)."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x, weight = groups.by_x
        stay = self._stay(x)
        total = weight @ (gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, stay) - betaln(a, b))
        by_r = weight @ (psi(r + x) - psi(r) + np.log(alpha))
        together = psi(a + b) - psi(a + stay)
        gradient = np.array(
            [by_r, weight.sum() * r / alpha, weight @ together, weight @ (psi(stay) - psi(b) + together)]
        )
        rows, *by_rows = dropout_sums(
            groups.x, groups.t_x, groups.age, groups.weight, r, alpha, a, b, self.may_leave_at_once
        )
        return float(total + rows), gradient + by_rows

    def alive(self, *, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """P(alive at T), shape (n,): 1 / (1 + δ ((α+T)/(α+t_x))^(r+x))."""
        check_histories(x, t_x, age)
        result: Floats = expit(-self._log_odds_left(x, t_x, age))
        return result

    def expected(self, *, horizon: npt.ArrayLike, x: Ints, t_x: Floats, age: Floats) -> Floats:
        """E[purchases in (T, T + horizon]], shape (n,), or (n, h) for horizons of shape (h,)."""
        check_histories(x, t_x, age)
        horizons = as_horizons(horizon)
        result = self.expected_if_alive(horizon=horizons, x=x, age=age)
        result *= self.alive(x=x, t_x=t_x, age=age)[:, None]
        return result if np.ndim(horizon) else result[:, 0]

    def expected_if_alive(self, *, horizon: Floats, x: Ints, age: Floats) -> Floats:
        """(n, h): Σ_j P(K > j) · E[q^j], K ~ NB(r + x, mean (r+x) t/(α+T)), q ~ Beta(b', a).

        The same as the closed form with ₂F₁ (Fader, Hardie & Lee 2005, eq. 10), but a sum of positive terms: it neither overflows
        for many purchases nor cancels near a = 1.
        """
        reach = horizon[None, :] / (self.alpha + age)[:, None]
        return expected_until_dropout(np.asarray(self.r + x), reach, self._stay(x), self.a)

    def tails_if_alive(self, *, horizon: float, x: int, age: Floats, most: int) -> Floats:
        """(n, most + 1): P(at least k purchases in the horizon | alive) for k from 0; everybody has made x."""
        stay = float(self._stay(np.array([x]))[0])
        return tails_until_dropout(self.r + x, horizon / (self.alpha + age), stay, self.a, most)

    def _stay(self, x: Ints | Floats) -> Floats:
        return np.asarray(self.b + x + self.may_leave_at_once, np.float64)

    def _log_odds_left(self, x: Ints, t_x: Floats, age: Floats) -> Floats:
        could = x + self.may_leave_at_once > 0
        rest = np.where(could, self._stay(x) - 1.0, 1.0)
        odds = np.log(self.a / rest) + (self.r + x) * np.log1p((age - t_x) / (self.alpha + t_x))
        return np.where(could, odds, -np.inf)
