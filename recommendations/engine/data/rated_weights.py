"""Weights of interactions at any moment of the past, where users rated the items only later."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Rows


@dataclass(frozen=True, eq=False)
class RatedWeights:
    """The recorded weights of m interactions, and the r ratings that take some of them away.

    recorded: float32 (m,) weight if there were no low rating. pair: int32 (m,) number of the user's pair with the item, -1 if the user never
    rated it. rated_pair: int32 (r,), rated_at: float64 (r,) seconds, is_low: bool (r,), of each rating, by pair; of the ratings of a
    pair, a later entry takes precedence. No two ratings of a pair have the same moment.
    """

    recorded: npt.NDArray[np.float32]
    pair: Rows
    rated_pair: Rows
    rated_at: Floats
    is_low: Flags

    def select(self, selection: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Self:
        """Return the weights of the chosen interactions."""
        return replace(self, recorded=self.recorded[selection], pair=self.pair[selection])

    def compute_weights(self, *, is_rating: Flags, order: Floats, before: float) -> npt.NDArray[np.float32]:
        """Return the weights of the interactions as they were known at a moment: later ratings make no difference.

        The weight is 0 if the rating that counts at the moment is a low one, and for ratings that it replaced. is_rating, order: of the
        interactions, (m,).
        """
        known = np.flatnonzero(self.rated_at < before)
        pairs = self.rated_pair[known]
        counting = known[np.append(pairs[1:] != pairs[:-1], True)[: len(pairs)]]
        n_pairs = int(self.rated_pair.max(initial=-1)) + 1
        # The last element is that of pair -1.
        rated_at, is_low = np.full(n_pairs + 1, np.nan), np.zeros(n_pairs + 1, np.bool_)
        rated_at[self.rated_pair[counting]] = self.rated_at[counting]
        is_low[self.rated_pair[counting]] = self.is_low[counting]
        is_replaced = is_rating & (order < before) & (order != rated_at[self.pair])
        return np.where(is_low[self.pair] | is_replaced, np.float32(0), self.recorded)
