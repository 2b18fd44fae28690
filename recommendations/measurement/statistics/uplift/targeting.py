"""Whom to treat: by expected incremental margin under a budget and caps, and what a choice earned in a test."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints


@dataclass(frozen=True, eq=False)
class TargetingPlan:
    """Whom to treat.

    chosen: (n,). explored: (n,), chosen at random, so that later campaigns can learn. displaced: (n,), left out in favor of the explored.
    expected_margin: Σ of the chosen.
    """

    chosen: Flags
    explored: Flags
    displaced: Flags
    expected_margin: float
    cost: float


@dataclass(frozen=True)
class PromotionResult:
    """What a targeting rule earned in a randomized test, counted among the customers it targets.

    irr: incremental response rate, purchases_T / n_T − purchases_C / n_C; NaN if a group is empty. nir: net incremental revenue,
    (value · purchases_T − cost · n_T) − value · purchases_C, in money; it presumes groups of equal size. scaled_nir: the same with the
    control group scaled to the size of the treated one. Source: the take-home data of Starbucks' promotion (Udacity, 2018).
    """

    targeted: int
    irr: float
    nir: float
    scaled_nir: float


def evaluate_targeting(
    treated: Flags, outcome: Floats, targeted: Flags, *, cost: float, value: float
) -> PromotionResult:
    """Return IRR and NIR among the targeted customers."""
    treated_y, control_y = outcome[targeted & treated], outcome[targeted & ~treated]
    gross = value * float(treated_y.sum()) - cost * len(treated_y)
    control = value * float(control_y.sum())
    irr = float(treated_y.mean() - control_y.mean()) if len(treated_y) and len(control_y) else float("nan")
    ratio = len(treated_y) / len(control_y) if len(control_y) else float("nan")
    return PromotionResult(int(targeted.sum()), irr, gross - control, gross - control * ratio)


def choose_targets(
    margin: Floats,
    *,
    cost: float,
    allowed: Flags | None = None,
    budget: float | None = None,
    limit: int | None = None,
    exploration: float = 0.0,
    seed: int = 0,
) -> TargetingPlan:
    """Choose the customers whose expected incremental margin exceeds the cost of a contact, the largest first.

    Customers with a negative effect ("sleeping dogs") and those who would buy anyway stay out, except the exploring share.

    Args:
        margin: (n,), expected incremental margin of a contact, without its cost.
        allowed: (n,), false where a cap, a consent or a suppression forbids it.
        budget: the largest sum of costs. limit: the largest number of customers.
        exploration: the share of all places that goes to randomly drawn allowed customers.
    """
    if cost < 0 or not 0 <= exploration <= 1:
        raise ValueError(f"cost is {cost}, exploration is {exploration}; they must be at least 0 and 0 … 1.")
    allowed = np.ones(len(margin), np.bool_) if allowed is None else allowed
    places = count_places(len(margin), cost, budget, limit)
    best = rank_profitable(margin, cost, allowed)
    wanted = min(len(best), places)
    explored = np.zeros(len(margin), np.bool_)
    others = np.flatnonzero(allowed)
    drawn = min(round(wanted * exploration), len(others))
    explored[np.random.default_rng(seed).permutation(others)[:drawn]] = True
    chosen = explored.copy()
    remaining = best[~explored[best]][: max(wanted - drawn, 0)]
    chosen[remaining] = True
    displaced = np.zeros(len(margin), np.bool_)
    displaced[best[:wanted]] = True
    displaced &= ~chosen
    return TargetingPlan(chosen, explored, displaced, float(margin[chosen].sum()), cost * int(chosen.sum()))


def count_places(n: int, cost: float, budget: float | None, limit: int | None) -> int:
    affordable = n if budget is None or cost == 0 else int(budget / cost + 1e-9)
    return max(min(n, affordable, n if limit is None else limit), 0)


def rank_profitable(margin: Floats, cost: float, allowed: Flags) -> Ints:
    profitable = np.flatnonzero(allowed & (margin > cost))
    return profitable[np.argsort(-margin[profitable], kind="stable")]
