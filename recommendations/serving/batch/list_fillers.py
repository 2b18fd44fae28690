"""Fill up the short lists of many customers with popular products, as requests do."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.linear_algebra.sparse import list_entry_keys
from recommendations.engine.topn import Ranking
from recommendations.engine.variety.kernels import spread_purchased
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.engine.variety.ranking import expand_columns
from recommendations.serving.batch.list_limits import ListLimits
from recommendations.serving.batch.placement_scoring import Values
from recommendations.serving.state.model import NO_ROWS


def list_fillers(scores: Values | None, *, catalog: Rows, recommendable: Flags, groups: ProductGroups | None) -> Rows:
    """Return the products that fill up lists, best first: popular ones by score, then those of the catalog; one of each group.

    scores: (items,), of popular; None if it has none. catalog: rows in their order, which may be shown.
    """
    popular = NO_ROWS
    if scores is not None:
        popular = np.argsort(-scores, kind="stable").astype(np.int32)
        popular = popular[(scores[popular] > 0) & recommendable[popular]]
    rows = np.concatenate([popular, catalog])
    _keys, first = np.unique(rows if groups is None else groups.codes[rows], return_index=True)
    return rows[np.sort(first)]


class ListUse(NamedTuple):
    """How much of each list is used: whether each item was purchased, and the number of items within the limit of purchased ones."""

    is_purchased: npt.NDArray[np.bool_]
    n_usable: npt.NDArray[np.int64]

    def find_short_lists(self, ranking: Ranking) -> npt.NDArray[np.int64]:
        """Return the rows of lists that have products, but not enough; those without any go on to the fallback."""
        return np.flatnonzero((ranking.items[:, 0] >= 0) & (self.n_usable < ranking.items.shape[1]))


def count_usable(ranking: Ranking, limits: ListLimits, *, n_compared: int) -> ListUse:
    """Count the items without the purchased ones beyond the limit. n_compared: the length of list for which a request computes it."""
    purchased, is_item = expand_columns(limits.purchased, limits.groups), ranking.items >= 0
    keys = np.arange(len(ranking))[:, None] * purchased.shape[1] + ranking.items
    is_purchased = np.isin(keys, list_entry_keys(purchased)) & is_item
    counts, n_purchased = is_item.sum(axis=1), is_purchased.sum(axis=1)
    if limits.share >= 1:
        return ListUse(is_purchased, counts)
    n_allowed = np.minimum(n_purchased, int(limits.share * n_compared))
    return ListUse(is_purchased, counts - n_purchased + n_allowed)


def fill_up(ranking: Ranking, use: ListUse, limits: ListLimits, *, fillers: Rows, n_compared: int) -> Ranking:
    """Return the ranking with fillers, with score 0, in its short lists. limits: `excluded` has all that must not fill up a list."""
    items, scores, excluded = ranking.items.copy(), ranking.scores.copy(), limits.excluded
    for row in use.find_short_lists(ranking).tolist():
        count, missing = int((items[row] >= 0).sum()), n_compared - int(use.n_usable[row])
        hidden = np.concatenate([items[row, :count], excluded.indices[excluded.indptr[row] : excluded.indptr[row + 1]]])
        if limits.groups is not None:
            hidden = limits.groups.expand(hidden.astype(np.int32))
        new = fillers[: missing + len(hidden)]  # enough, because no more than the hidden ones are left out
        new = new[~are_members(new, hidden)][:missing]
        merged = np.concatenate([items[row, :count], new])
        merged_scores = np.concatenate([scores[row, :count], np.zeros(len(new), np.float32)])
        is_purchased = np.concatenate([use.is_purchased[row, :count], np.zeros(len(new), np.bool_)])
        order = spread_purchased(is_purchased, limits.share)[: items.shape[1]]
        items[row, : len(order)], scores[row, : len(order)] = merged[order], merged_scores[order]
    return Ranking(items, scores)
