"""What a customer is interested in: codes of what they did, counted less the older it is, the greatest share first."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.next_order.repurchase import require_positive

HOURS = 24
LENT = 0.25  # of an hour to each of its neighbours


@dataclass(frozen=True, eq=False)
class Facts:
    """What a customer did, shape (m,) each. code: what it was about, −1 for nothing; at: days since some midnight; weight: how much
    it tells, 0 or more."""

    code: Ints
    at: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Interests:
    """Of one customer, for each of the k codes met, the greatest share first: code; share, 0…1, Σ is 1; facts, how many; newest, the
    moment of the last one, in days as given.

    breadth: the effective number of codes, exp(−Σ share · ln share): 1 for one only, k for k equal ones, 0 for none.
    """

    code: Ints
    share: Floats
    facts: Ints
    newest: Floats
    breadth: float

    @property
    def total_facts(self) -> int:
        return int(self.facts.sum())


def find_interests(*, facts: Facts, as_of: float, half_life_days: float, n_codes: int) -> Interests:
    """share ∝ Σ weight · 2^(−age / half-life); equal ones by newest fact, then by code. Facts at or after as_of are left out.

    Ages count from the newest fact, so that shares exist however long ago that was.
    Errors: ValueError for shapes, codes, weights or a half-life that cannot be.
    """
    return _find(facts, as_of, half_life_days, n_codes, 0.0)


def find_hours(*, facts: Facts, as_of: float, half_life_days: float) -> Interests:
    """As `find_interests`, with the hours 0–23 as codes, each lending a quarter of its weight to the hour before and the one after,
    round the clock, so that somebody of 8:55 and 9:05 is one of about nine. facts and newest are of the hour itself; an hour that
    only its neighbours speak for has none and the newest moment of all."""
    return _find(facts, as_of, half_life_days, HOURS, LENT)


def price_band(*, price: Floats, edges: Floats) -> Ints:
    """0 (cheapest fifth) to 4 (dearest), −1 for NaN. price: (m,); edges: (m, 4), the quintiles each price is compared with, NaN for
    none. A price on an edge belongs below it, so that equal prices share a band."""
    known = np.isfinite(price) & np.isfinite(edges).all(axis=1)
    bands: Ints = np.where(known, (price[:, None] > edges).sum(axis=1), -1)
    return bands


def _find(facts: Facts, as_of: float, half_life_days: float, n_codes: int, lent: float) -> Interests:
    _require(facts, n_codes)
    require_positive("half_life_days", half_life_days)
    known = (facts.code >= 0) & (facts.at < as_of) & (facts.weight > 0)
    code, at = facts.code[known], facts.at[known]
    latest = at.max(initial=-np.inf)
    weight = facts.weight[known] * 2.0 ** ((at - latest) / half_life_days) if len(at) else at
    sums = np.bincount(code, weight, minlength=n_codes)
    counted = np.bincount(code, minlength=n_codes).astype(np.int64)
    newest = np.full(n_codes, -np.inf)
    np.maximum.at(newest, code, at)
    if lent:
        sums = (1 - 2 * lent) * sums + lent * (np.roll(sums, 1) + np.roll(sums, -1))
        newest[counted == 0] = latest
    shares = sums / sums.sum() if len(at) else sums
    met = np.flatnonzero(shares > 0)
    order = met[np.lexsort((met, -newest[met], -shares[met]))]
    share = shares[order]
    breadth = float(np.exp(-(share * np.log(share)).sum())) if len(order) else 0.0
    return Interests(order, share, counted[order], newest[order], breadth)


def _require(facts: Facts, n_codes: int) -> None:
    shapes = {array.shape for array in (facts.code, facts.at, facts.weight)}
    if len(shapes) != 1:
        raise ValueError(f"code, at and weight differ in shape: {sorted(shapes)}; give one entry a fact")
    if not len(facts.code):
        return
    if not (facts.code.min() >= -1 and facts.code.max() < n_codes):
        raise ValueError(f"code must be -1…{n_codes - 1}, got {int(facts.code.min())}…{int(facts.code.max())}")
    if not (np.isfinite(facts.weight).all() and facts.weight.min() >= 0):
        raise ValueError("weight must be finite and 0 or more")
    if not np.isfinite(facts.at).all():
        raise ValueError("at must be finite days")
