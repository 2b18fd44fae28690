"""Computes a customer's interests, the largest first.

They are shares of the codes of their actions, weighted down with age.
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.repurchase import require_positive

HOURS = 24
NEIGHBOR_SHARE = 0.25  # of an hour's weight, given to each of its neighbors


@dataclass(frozen=True, eq=False)
class InterestFacts:
    """A customer's actions, shape (m,) each.

    code: what the action was about, −1 for nothing; at: days since some midnight; weight: its importance, 0 or more.
    """

    code: Ints
    at: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Interests:
    """The interests of one customer: the k codes with a share, the largest share first.

    share: 0…1, Σ is 1; facts: number of facts; newest: moment of the last one, in days as given. breadth: the effective number of
    codes, exp(−Σ share · ln share): 1 for one only, k for k equal ones, 0 for none.
    """

    code: Ints
    share: Floats
    facts: Ints
    newest: Floats
    breadth: float

    @property
    def total_facts(self) -> int:
        """Return the number of facts of all codes."""
        return int(self.facts.sum())


def compute_interests(*, facts: InterestFacts, as_of: float, half_life_days: float, n_codes: int) -> Interests:
    """Compute share ∝ Σ weight · 2^(−age / half-life); ties: newest fact, then code.

    Facts later than as_of are ignored.
    Ages count from the newest fact, so that shares exist however old it is.
    Errors: ValueError for invalid shapes, codes, weights or half-life.
    """
    return _compute_interests(facts, as_of, half_life_days, n_codes, 0.0)


def compute_hour_interests(*, facts: InterestFacts, as_of: float, half_life_days: float) -> Interests:
    """Compute interests in the hours 0–23, smoothed around the clock.

    Each hour gives a quarter of its weight to the hour before and the one after, so that a customer who orders at 8:55 and 9:05
    counts as one of about nine. facts and newest are of the hour itself; an hour with weight from its neighbors only has no facts and the newest
    moment of all.
    """
    return _compute_interests(facts, as_of, half_life_days, HOURS, NEIGHBOR_SHARE)


def assign_price_bands(*, price: Floats, edges: Floats) -> Ints:
    """Return 0 (cheapest quintile) to 4 (most expensive), −1 for NaN.

    price: (m,); edges: (m, 4), the quintiles each price is compared with, NaN for none. A price on an edge belongs below it, so that
    equal prices share a band.
    """
    known = np.isfinite(price) & np.isfinite(edges).all(axis=1)
    bands: Ints = np.where(known, (price[:, None] > edges).sum(axis=1), -1)
    return bands


def _compute_interests(
    facts: InterestFacts, as_of: float, half_life_days: float, n_codes: int, neighbor_share: float
) -> Interests:
    """Compute the interests; each neighbor of a code gets `neighbor_share` of its weight."""
    _check_facts(facts, n_codes)
    require_positive("half_life_days", half_life_days)
    known = (facts.code >= 0) & (facts.at < as_of) & (facts.weight > 0)
    code, at = facts.code[known], facts.at[known]
    latest = at.max(initial=-np.inf)
    # Relative to the newest fact: absolute ages would underflow for customers who left long ago.
    weight = facts.weight[known] * 2.0 ** ((at - latest) / half_life_days) if len(at) else at
    sums = np.bincount(code, weight, minlength=n_codes)
    fact_counts = np.bincount(code, minlength=n_codes).astype(np.int64)
    newest = np.full(n_codes, -np.inf)
    np.maximum.at(newest, code, at)
    if neighbor_share:
        sums = (1 - 2 * neighbor_share) * sums + neighbor_share * (np.roll(sums, 1) + np.roll(sums, -1))
        newest[fact_counts == 0] = latest
    shares = sums / sums.sum() if len(at) else sums
    positive = np.flatnonzero(shares > 0)
    order = positive[np.lexsort((positive, -newest[positive], -shares[positive]))]
    share = shares[order]
    breadth = float(np.exp(-(share * np.log(share)).sum())) if len(order) else 0.0
    return Interests(order, share, fact_counts[order], newest[order], breadth)


def _check_facts(facts: InterestFacts, n_codes: int) -> None:
    """Raise ValueError for unequal shapes, or codes, weights or moments out of range."""
    shapes = {array.shape for array in (facts.code, facts.at, facts.weight)}
    if len(shapes) != 1:
        raise ValueError(f"code, at and weight differ in shape: {sorted(shapes)}; pass one entry per fact")
    if not len(facts.code):
        return
    if not (facts.code.min() >= -1 and facts.code.max() < n_codes):
        raise ValueError(f"code must be -1…{n_codes - 1}, got {int(facts.code.min())}…{int(facts.code.max())}")
    if not (np.isfinite(facts.weight).all() and facts.weight.min() >= 0):
        raise ValueError("weight must be finite and 0 or more")
    if not np.isfinite(facts.at).all():
        raise ValueError("at must be finite days")
