"""Shares of few cases, pulled towards the shop's: discounted orders, returned orders, opened messages."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]

REASONS: tuple[str, ...] = ("", "shop_only", "nothing_known")
OWN, SHOP_ONLY, NOTHING_KNOWN = range(3)

LEAST_STRENGTH, MOST_STRENGTH = 1.0, 1_000.0
USUAL_STRENGTH = 10.0  # where nobody has two cases, from which it could be measured


@dataclass(frozen=True)
class Prior:
    """share: of all cases of the shop; strength: how many cases of one's own weigh as much as the shop. Beta(share·strength, …)."""

    share: float
    strength: float
    cases: int


@dataclass(frozen=True, eq=False)
class Shares:
    """Of n customers, shape (n,). share: posterior mean; low, high: central interval; against_shop: share / the shop's share.

    reason: int64, index of REASONS: without a case of their own customers have the shop's; without any case in the shop nothing is
    known, and the interval is 0…1."""

    share: Floats
    low: Floats
    high: Floats
    reason: Ints
    prior: Prior

    @property
    def against_shop(self) -> Floats:
        return self.share / self.prior.share


def learn_prior(*, hits: Ints, cases: Ints) -> Prior:
    """From everybody's hits among their cases, shape (n,).

    share p = (Σ hits + ½) / (Σ cases + 1). strength = 1/ρ − 1 with the correlation within customers
    ρ = (S − p(1−p)(K−1)) / (p(1−p)(N − Σ n²/N − (K−1))), S = Σ n (hits/n − p)², K customers with a case, N = Σ n; held within
    1…1000. Source: Kleinman, "Proportions with extraneous variance", JASA 1973 (weights n).
    Errors: ValueError unless 0 ≤ hits ≤ cases.
    """
    if hits.shape != cases.shape:
        raise ValueError(f"hits has shape {hits.shape} and cases {cases.shape}; give one entry a customer")
    if len(hits) and not ((hits >= 0) & (hits <= cases)).all():
        row = int(np.flatnonzero((hits < 0) | (hits > cases))[0])
        raise ValueError(f"hits must be 0…cases, got {int(hits[row])} of {int(cases[row])} at {row}")
    known = cases > 0
    s, n = hits[known].astype(np.float64), cases[known].astype(np.float64)
    total, people = float(n.sum()), len(n)
    p = (float(s.sum()) + 0.5) / (total + 1.0)
    if people < 2:
        return Prior(p, USUAL_STRENGTH, int(total))
    spread = float((n * (s / n - p) ** 2).sum())
    room = p * (1.0 - p) * (total - float((n**2).sum()) / total - (people - 1))
    if room <= 1e-9 * total:
        return Prior(p, USUAL_STRENGTH, int(total))
    rho = (spread - p * (1.0 - p) * (people - 1)) / room
    strength = MOST_STRENGTH if rho <= 1.0 / (MOST_STRENGTH + 1.0) else 1.0 / rho - 1.0
    return Prior(p, float(np.clip(strength, LEAST_STRENGTH, MOST_STRENGTH)), int(total))


def shrunk_shares(*, hits: Ints, cases: Ints, prior: Prior | None = None, level: float = 0.8) -> Shares:
    """(hits + share · strength) / (cases + strength) with the central `level` interval of the Beta posterior.

    prior: of the shop, from an earlier run or `learn_prior` of these customers. Grouped on unique pairs, so a million customers are
    a few hundred. Source: beta-binomial empirical Bayes, Gelman et al., Bayesian Data Analysis, 2013, 5.1–5.3.
    Errors: ValueError unless 0 ≤ hits ≤ cases and 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    found = learn_prior(hits=hits, cases=cases)  # checks them too
    prior = found if prior is None else prior
    width = int(cases.max(initial=0)) + 1
    key, place = np.unique(hits * width + cases, return_inverse=True)
    s, n = key // width, key % width
    a = s + prior.share * prior.strength
    b = n - s + (1.0 - prior.share) * prior.strength
    low, high = betaincinv(a, b, (1.0 - level) / 2), betaincinv(a, b, (1.0 + level) / 2)
    reason = np.where(n > 0, OWN, SHOP_ONLY if prior.cases else NOTHING_KNOWN)
    unknown = reason == NOTHING_KNOWN
    low, high = np.where(unknown, 0.0, low), np.where(unknown, 1.0, high)
    return Shares((a / (a + b))[place], low[place], high[place], reason[place].astype(np.int64), prior)
