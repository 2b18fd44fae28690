"""Thompson sampling of new products: they are shown now and then, because only showing them reveals how good they are.

Each person who is shown a product is one trial of it. More trials narrow its distribution: a product that was shown to many people
without interest is drawn less and less often, and never again after it was shown to MAX_SHOWN people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from config.foundation.array_types import Flags
from config.foundation.random_numbers.splitmix64 import GOLDEN
from recommendations.engine.data.id_map import IdMap
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.linear_algebra.formula_kernels import mix_number
from recommendations.engine.linear_algebra.jit import compiled_with_gil

PRIOR_PEOPLE = 10.0  # the prior of the category weighs as much as this many people
MIN_RATE = 0.01  # bound of a rate and of 1 − rate, so that no draw is certain
MIN_AFFINITY = 0.1  # added to every affinity, so that products are also drawn for unknown users
MAX_INTERESTED = 50  # people; a product with interactions of this many is known well enough to the model
MAX_SHOWN = 1000  # people; more would not change what is known about the interest in a product
STEPS = 4  # entries of a row of quantiles per halving of the share above
HALVINGS = 16
SHARES = 1 - 2.0 ** -(np.arange(HALVINGS * STEPS + 1) / STEPS)
SHARES[0] = 0.02  # the quantile of 0 is 0, however unlikely rates near 0 are


@dataclass(frozen=True, eq=False)
class ExplorationTrials:
    """What showing k new products has revealed.

    products: their ids. shown: int32 (k,) how many people each was shown to. interested: int32 (k,) how many people interacted with
    it. quantiles: float32 (k + 1, len(SHARES)) of the distribution of the interest in each, at the SHARES; the last row is that of a
    product that is not among them.
    """

    products: IdMap
    shown: npt.NDArray[np.int32]
    interested: npt.NDArray[np.int32]
    quantiles: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        product_ids: Sequence[str],
        *,
        categories: Sequence[str],
        shown: npt.NDArray[np.integer],
        takers: npt.NDArray[np.integer],
        interested: npt.NDArray[np.integer],
    ) -> Self:
        """Build the trials from one entry per product; takers: how many of the people it was shown to then interacted with it.

        θ_i ~ Beta(s r_c + t_i, s (1 − r_c) + n_i − t_i): t_i takers of n_i people, s = PRIOR_PEOPLE, and as the prior r_c the share of takers in
        its category, (t_c + s r) / (n_c + s), shrunk towards the share r of all products. Source: Chapelle & Li, "An Empirical Evaluation of
        Thompson Sampling", NIPS 2011.
        """
        products, row = IdMap.number_ids(product_ids)
        order = np.argsort(row)
        n, t, known = (np.asarray(column, np.float64)[order] for column in (shown, takers, interested))
        t = np.minimum(t, n)
        overall = t.sum() / max(n.sum(), 1.0)
        code = IdMap.number_ids(categories)[1][order]
        size = int(code.max(initial=-1)) + 1
        prior = (np.bincount(code, t, size) + PRIOR_PEOPLE * overall) / (np.bincount(code, n, size) + PRIOR_PEOPLE)
        rate = np.clip(np.append(prior[code], overall), MIN_RATE, 1 - MIN_RATE)
        successes, failures = np.append(t, 0.0), np.append(n - t, 0.0)
        # many products have the same counts, and the inverse takes microseconds
        pairs = np.column_stack([PRIOR_PEOPLE * rate + successes, PRIOR_PEOPLE * (1 - rate) + failures])
        distinct, same = np.unique(pairs, axis=0, return_inverse=True)
        quantiles = betaincinv(distinct[:, :1], distinct[:, 1:], SHARES).astype(np.float32)
        return cls(products, n.astype(np.int32), known.astype(np.int32), quantiles[same.ravel()])

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the trials of `to_arrays()`."""
        products = {name: arrays[f"products.{name}"] for name in IdMap.PARTS}
        return cls(IdMap.from_arrays(products), **{name: arrays[name] for name in ("shown", "interested", "quantiles")})

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays to save."""
        products = {f"products.{name}": array for name, array in self.products.to_arrays().items()}
        return {**products, "shown": self.shown, "interested": self.interested, "quantiles": self.quantiles}

    def find_rows(self, product_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the row of quantiles of each product: the last one for a product that is not among the trials."""
        rows = self.products.get_rows(product_ids)
        return np.where(rows < 0, len(self.products), rows).astype(np.int32)

    def needs_trials(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return whether too little is known about the products in these rows."""
        shown, interested = np.append(self.shown, 0), np.append(self.interested, 0)
        return (shown[rows] < MAX_SHOWN) & (interested[rows] < MAX_INTERESTED)


@compiled_with_gil
def draw_interest(
    quantiles: npt.NDArray[np.float32], rows: npt.NDArray[np.int32], keys: npt.NDArray[np.uint64], seed: np.uint64
) -> npt.NDArray[np.float32]:
    """Draw from the distribution in each row: the quantile at a uniform number that depends on the key and the seed only.

    Nothing is stored per seed, and products with the same distribution are equally likely to have the largest draw.
    """
    drawn = np.empty(len(rows), np.float32)
    for number in range(len(rows)):
        mixed = mix_number((keys[number] ^ seed) + GOLDEN)
        share_above = (np.float64(mixed >> np.uint64(11)) + 0.5) * 2.0**-53
        position = -np.log2(share_above) * STEPS
        left = min(int(position), HALVINGS * STEPS - 1)
        row = quantiles[rows[number]]
        drawn[number] = row[left] + (position - left) * (row[left + 1] - row[left])
    return drawn


@compiled_with_gil
def draw_allowed(
    quantiles: npt.NDArray[np.float32],
    trial_rows: npt.NDArray[np.int32],
    keys: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.int32],
    allowed: Flags,
    seed: np.uint64,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return which of some catalog rows are allowed, and a draw for each as `draw_interest` does. allowed: of all catalog rows."""
    positions = np.empty(rows.shape[0], np.int64)
    count = 0
    for position in range(rows.shape[0]):
        if allowed[rows[position]]:
            positions[count] = position
            count += 1
    positions = positions[:count]
    return positions, draw_interest(quantiles, trial_rows[positions], keys[positions], seed)


def count_people(interactions: Interactions) -> npt.NDArray[np.int32]:
    """Return how many distinct users interacted with each item."""
    pairs = np.unique(interactions.user.astype(np.int64) * interactions.n_items + interactions.item)
    return np.bincount(pairs % interactions.n_items, minlength=interactions.n_items).astype(np.int32)


def rank_for_exploration(thetas: npt.NDArray[np.floating], affinity: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return indexes by descending θ · (MIN_AFFINITY + affinity); affinity: 0 to 1, one user's affinity to each item."""
    return np.argsort(-thetas * (MIN_AFFINITY + affinity), kind="stable")
