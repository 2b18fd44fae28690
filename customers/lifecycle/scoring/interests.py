"""What each customer is interested in: codes of what they did, counted less the older it is, the greatest shares first."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.interest_kernels import add_up, grouped
from customers.lifecycle.scoring.repurchase import require_positive

type Floats = npt.NDArray[np.float64]
type Ints = npt.NDArray[np.int64]

BANDS = 5
HOURS = 24
LENT = 0.25  # of an hour to each of its neighbours


@dataclass(frozen=True, eq=False)
class Interests:
    """Lines of customers' portraits, and the totals they are shares of.

    start: int64 (n + 1,), customer i has the lines start[i] to start[i + 1], the greatest share first. For each line, shape (lines,):
    code; share, 0…1, of all of the customer's weight, also what is not among the first; weight, Σ w · 2^(−age / half-life);
    evidence, how many facts; newest, the moment of the last one, in days as given.
    For each customer, shape (n,): total, the weight of all codes; facts, how many; breadth, the effective number of codes,
    exp(−Σ share · ln share): 1 for one code only, m for m equal ones, 0 for none.
    """

    start: Ints
    code: Ints
    share: Floats
    weight: Floats
    evidence: Ints
    newest: Floats
    total: Floats
    facts: Ints
    breadth: Floats

    def of(self, row: int) -> slice:
        """Where the lines of a customer stand."""
        return slice(int(self.start[row]), int(self.start[row + 1]))


@dataclass(frozen=True, eq=False)
class Facts:
    """customer, code: int64 (m,), row and what it was about, −1 for nothing; at: float64 (m,), days since some midnight; weight: (m,),
    how much it tells (a purchase more than a look), 0 or more."""

    customer: Ints
    code: Ints
    at: Floats
    weight: Floats


def find_interests(
    *, facts: Facts, as_of: float, half_life_days: float, n_customers: int, n_codes: int, most: int
) -> Interests:
    """The `most` greatest shares of each customer; equal ones by newest fact, then by code. Facts at or after as_of are left out.

    Ages count from the customer's newest fact where shares are concerned, so that they exist however long ago that was. Memory and
    time grow with the facts. Errors: ValueError for shapes, rows, codes, weights or a half-life that cannot be.
    """
    return _find(facts, as_of, half_life_days, n_customers, n_codes, most, 0.0)


def find_hours(*, facts: Facts, as_of: float, half_life_days: float, n_customers: int, most: int) -> Interests:
    """As `find_interests`, with the hours 0–23 as codes, each lending a quarter of its weight to the hour before and the one after,
    round the clock, so that somebody of 8:55 and 9:05 is one of about nine. Evidence and newest are of the hour itself; an hour that
    only its neighbours speak for has no evidence and the customer's newest moment."""
    return _find(facts, as_of, half_life_days, n_customers, HOURS, most, LENT)


def at_level(*, code: Ints, ancestors: Ints, level: int) -> Ints:
    """The codes' ancestors at a level of the tree. ancestors: (n_codes, levels), the code of the ancestor at each, −1 below the
    code's own level; what has none at the level, and −1, stays −1 and tells nothing there."""
    if not 0 <= level < ancestors.shape[1]:
        raise ValueError(f"level must be 0…{ancestors.shape[1] - 1}, got {level}")
    found: Ints = np.where(code >= 0, ancestors[np.maximum(code, 0), level], -1) if len(ancestors) else code
    return found


def price_edges(price: Floats) -> Floats:
    """The four quintiles, shape (4,), of the shop's prices; NaN is unknown and left out. Errors: ValueError when all are."""
    known = price[np.isfinite(price)]
    if not len(known):
        raise ValueError("price holds no price at all; without one there are no bands")
    return np.quantile(known, np.arange(1, BANDS) / BANDS)


def price_band(*, price: Floats, edges: Floats) -> Ints:
    """0 (cheapest fifth) to 4 (dearest), −1 for NaN. A price on an edge belongs below it, so that equal prices share a band; where
    fewer than five prices differ, some bands are empty."""
    return np.where(np.isfinite(price), np.searchsorted(edges, np.nan_to_num(price), side="left"), -1)


def _find(
    facts: Facts, as_of: float, half_life_days: float, n_customers: int, n_codes: int, most: int, lent: float
) -> Interests:
    _require(facts, n_customers, n_codes)
    require_positive("half_life_days", half_life_days)
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    columns = facts.code, facts.at, facts.weight
    start, order = grouped(facts.customer, *columns, as_of, n_customers)
    return Interests(*add_up(start, order, *columns, as_of, half_life_days, n_codes, most, lent))


def _require(facts: Facts, n_customers: int, n_codes: int) -> None:
    shapes = {array.shape for array in (facts.customer, facts.code, facts.at, facts.weight)}
    if len(shapes) != 1:
        raise ValueError(f"customer, code, at and weight differ in shape: {sorted(shapes)}; give one entry a fact")
    if not len(facts.customer):
        return
    for name, values, low, high in (
        ("customer", facts.customer, 0, n_customers - 1),
        ("code", facts.code, -1, n_codes - 1),
    ):
        if not (values.min() >= low and values.max() <= high):
            raise ValueError(f"{name} must be {low}…{high}, got {int(values.min())}…{int(values.max())}")
    if not (np.isfinite(facts.weight).all() and facts.weight.min() >= 0):
        raise ValueError("weight must be finite and 0 or more")
    if not np.isfinite(facts.at).all():
        raise ValueError("at must be finite days")
