"""What limits the lists of several customers: excluded products, purchased products and product groups."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Flags
from recommendations.engine.algorithms.base import Scores
from recommendations.engine.topn import Ranking
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.engine.variety.ranking import expand_columns, rank_with_limit, use_own_items


class ListLimits(NamedTuple):
    """The limits of n customers. excluded, purchased, seen: CSR (n, items); excluded has the other products of their groups.

    share: the share of positions that may show purchased products. groups: product groups; a list shows one product of each.
    None without any.
    """

    excluded: csr_array
    purchased: csr_array
    seen: csr_array
    share: float
    groups: ProductGroups | None

    def select(self, rows: npt.NDArray[np.int64]) -> "ListLimits":
        """Return the limits of some of the customers."""
        return self._replace(excluded=self.excluded[rows], purchased=self.purchased[rows], seen=self.seen[rows])

    def rank(self, scores: Scores, n: int, *, allowed: Flags) -> Ranking:
        """Return the lists of n products within these limits; of a group, the product that the customer bought or viewed."""
        ranking = rank_with_limit(
            scores,
            n,
            exclude=self.excluded,
            purchased=expand_columns(self.purchased, self.groups),
            share=self.share,
            allowed=allowed,
            groups=self.groups,
        )
        if self.groups is None:
            return ranking
        return use_own_items(
            ranking,
            scores,
            seen=self.seen,
            purchased=self.purchased,
            exclude=self.excluded,
            allowed=allowed,
            groups=self.groups,
        )
