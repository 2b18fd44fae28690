"""The probabilities with which serving chose products at random, which travel with the impression.

Without them nobody can estimate from the log what other settings would have earned. A probability is that of choosing the product for
its position given the products chosen above it; over many responses, the inverse probabilities of a position sum to their number.

Two steps choose at random: exploration draws new products, and rotation swaps products of nearly the same score. The positions of the
new products are given: they are random too, but depend on no product. Positions whose probability is not known in closed form are left
out: those of a rotated list with diversity or pinned products, and those below a purchased product that was held back or a new product
that rotation could have shown too.
"""

from collections.abc import Sequence

import numpy as np

from config.foundation.array_types import Floats, Rows
from recommendations.engine.exploration_propensities import compute_choice_propensities
from recommendations.engine.variety.kernels import ROUNDING
from recommendations.merchandising.rules.ranking import RankedPage
from recommendations.serving.pipeline.context import Candidates, RecommendationContext
from recommendations.serving.pipeline.explore import ExploredList
from recommendations.serving.pipeline.ordering import RandomOrder

MAX_EXPLORED = 10  # positions of a list; computing further ones takes long, and few visitors see them
MIN_PROPENSITY = 1e-6  # the accuracy of the integrals

type Propensities = tuple[tuple[int, float], ...]


def list_propensities(
    context: RecommendationContext,
    candidates: Candidates,
    explored: ExploredList,
    page: RankedPage,
    shown: Sequence[int],
) -> Propensities:
    """Return (number, probability) of the products of the page that were chosen at random. shown: the rows of its items."""
    if not explored.new and candidates.random_order is None:
        return ()
    end = context.offset + context.request.n
    codes = context.groups.codes if context.groups is not None else None
    keys = {row: row if codes is None else int(codes[row]) for row, _score in explored.ranked[:end]}
    by_row = compute_explored(explored, keys, codes)
    if candidates.random_order is not None and not page.pinned:
        pins = context.rule_effects.pins if context.rule_effects is not None else ()
        if not pins:
            by_row |= compute_rotated(candidates.random_order, explored, keys, codes)
    return tuple(
        (number, max(by_row[row], MIN_PROPENSITY))
        for number, row in enumerate(shown, start=1)
        if row in by_row and row not in page.pinned
    )


def compute_explored(explored: ExploredList, keys: dict[int, int], codes: Rows | None) -> dict[int, float]:
    """Return the probability of each new product that was chosen from two or more.

    A new product is eligible for a position as long as neither it nor another product of its group is above. keys: of the rows of the
    list until the end of the page.
    """
    chosen = explored.chosen
    if chosen is None:
        return {}
    order = list(keys)
    slots = [index for index, row in enumerate(order) if row in explored.new][:MAX_EXPLORED]
    if not slots:
        return {}
    first_shown = {keys[row]: index for index, row in reversed(list(enumerate(order)))}
    never = len(order)
    own_keys = chosen.rows if codes is None else codes[chosen.rows]
    last = [first_shown.get(key, never) for key in own_keys.tolist()]
    leaves = np.searchsorted(np.array(slots), np.array(last), side="right")
    numbers = {row: number for number, row in enumerate(chosen.rows.tolist())}
    rows = [order[slot] for slot in slots]
    propensities = compute_choice_propensities(
        chosen.quantiles,
        chosen.trial_rows,
        chosen.factors,
        chosen.threshold,
        np.array([numbers[row] for row in rows], np.int64),
        leaves,
    )
    return {
        row: min(propensity, 1.0)
        for slot, (row, propensity) in enumerate(zip(rows, propensities.tolist(), strict=True))
        if np.count_nonzero(leaves > slot) > 1
    }


def compute_rotated(
    order: RandomOrder, explored: ExploredList, keys: dict[int, int], codes: Rows | None
) -> dict[int, float]:
    """Return the probability of each product that rotation chose from two or more."""
    pool = set(order.rows.tolist() if codes is None else codes[order.rows].tolist())
    by_row: dict[int, float] = {}
    if len(pool) < len(order.rows):
        return by_row  # of a group, only the first product in the random order is shown
    choices = iter(compute_rotation_propensities(order))
    for row, key in keys.items():
        if row in explored.new:
            if key in pool:
                break
            continue
        choice = next(choices, None)
        if choice is None or choice[0] != row:
            break
        if choice[1] < 1:
            by_row[row] = choice[1]
    return by_row


def compute_rotation_propensities(order: RandomOrder) -> list[tuple[int, float]]:
    """Return each row and its probability given those above it, until a purchased product was held back.

    The next product is drawn with a probability in proportion to its weight (Plackett–Luce), from all remaining products or, where
    `spread_purchased` allows no purchased one, from the others.
    """
    weights = np.exp(order.log_weights - order.log_weights.max())
    remaining = sum_remaining(weights)
    rows = order.rows.tolist()
    purchased = order.is_purchased
    if purchased is None or not purchased.any():
        return list(zip(rows, (weights / remaining).tolist(), strict=True))
    others = sum_remaining(np.where(purchased, 0.0, weights))
    share, credit = order.max_purchased_share, 0.0
    choices: list[tuple[int, float]] = []
    for place in range(len(rows)):
        may_be_purchased = credit + share >= 1 - ROUNDING
        if purchased[place] and not may_be_purchased:
            first = place + int(np.argmin(purchased[place:]))  # the product that is shown instead
            if not purchased[first]:
                choices.append((rows[first], float(weights[first] / others[place])))
            break
        total = remaining[place] if may_be_purchased else others[place]
        choices.append((rows[place], float(weights[place] / total)))
        if purchased[place]:
            credit = max(credit + share - 1, 0.0)
        else:
            credit = 1 - share if may_be_purchased else credit + share
    return choices


def sum_remaining(weights: Floats) -> Floats:
    """Return the sum of each weight and those after it, at least the smallest positive number."""
    return np.maximum(np.cumsum(weights[::-1])[::-1], np.finfo(np.float64).tiny)
