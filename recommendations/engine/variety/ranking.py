"""One product of each group, and a limited share of purchased products, in the rankings of many customers at once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Flags
from recommendations.engine.algorithms.base import Scores
from recommendations.engine.data.groups import expand_ranges
from recommendations.engine.linear_algebra.sparse import list_entry_keys, list_entry_rows, make_csr
from recommendations.engine.topn import Ranking, find_tie_breaks, select_top_n
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.engine.variety.purchased_share import limit_purchased_share

type Fetch = Callable[[int], Ranking]  # returns the ranking of the n best items of each customer


def rank_with_limit(
    scores: Scores,
    n: int,
    *,
    exclude: csr_array,
    purchased: csr_array,
    share: float,
    allowed: Flags | None = None,
    groups: ProductGroups | None = None,
    tie_seed: int | None = None,
    first_row: int = 0,
) -> Ranking:
    """Return the n best items of each row of scores, of each group only the best, with at most ``share`` of the positions purchased.

    exclude, purchased: CSR of the shape of the scores, whose stored columns are left out or count as purchased; with groups, `purchased`
    has been expanded by `expand_columns`. Purchased items that the limit leaves out follow if there are not enough others. Equal scores:
    as in `select_top_n`.
    """

    def fetch(size: int, scores: Scores, exclude: csr_array) -> Ranking:
        return select_top_n(scores, size, allowed=allowed, exclude=exclude, tie_seed=tie_seed, first_row=first_row)

    if share >= 1 or not purchased.nnz:
        return select_distinct_items(lambda size: fetch(size, scores, exclude), n, groups)
    without_purchased = merge_columns(exclude, purchased)
    others = select_distinct_items(lambda size: fetch(size, scores, without_purchased), n, groups)
    own_scores = _select_entries(scores, purchased)
    own = select_distinct_items(lambda size: fetch(size, own_scores, exclude), n, groups)
    items = np.concatenate([others.items, own.items], axis=1)
    values = np.concatenate([others.scores, own.scores], axis=1)
    # the same order of ties as in the two lists; missing items have the score -inf and come last
    order = np.lexsort((find_tie_breaks(items, tie_seed=tie_seed, first_row=first_row), -values), axis=1)
    order = _limit_order(order, items, others.items.shape[1], share)[:, :n]
    return Ranking(np.take_along_axis(items, order, axis=1), np.take_along_axis(values, order, axis=1))


def select_distinct_items(fetch: Fetch, n: int, groups: ProductGroups | None) -> Ranking:
    """Return the n best items of different groups of each row."""
    if groups is None or not groups.has_groups:
        return fetch(n)
    size = 2 * n
    while True:
        ranking = fetch(size)
        is_first = find_first_of_groups(ranking.items, groups)
        is_complete = (is_first.sum(axis=1) >= n) | (ranking.items[:, -1] < 0)
        if is_complete.all():
            return _keep_items(ranking, is_first, n)
        size *= 2


def find_first_of_groups(items: npt.NDArray[np.int32], groups: ProductGroups) -> Flags:
    """Return which items are the first of their group in their row; -1 never is."""
    if not items.size:
        return np.zeros(items.shape, np.bool_)
    # padding gets numbers of its own, so that it never equals a group
    codes = np.where(items >= 0, groups.codes[items], -1 - np.arange(items.shape[1]))
    order = np.argsort(codes, axis=1, kind="stable")
    in_order = np.take_along_axis(codes, order, axis=1)
    is_first = np.ones(items.shape, np.bool_)
    is_first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    result = np.empty(items.shape, np.bool_)
    np.put_along_axis(result, order, is_first, axis=1)
    return result & (items >= 0)


def use_own_items(
    ranking: Ranking,
    scores: Scores,
    *,
    seen: csr_array,
    purchased: csr_array,
    exclude: csr_array,
    allowed: Flags,
    groups: ProductGroups,
) -> Ranking:
    """Return the ranking with the item of each group that the customer bought, or else saw, if it has a score and may be shown.

    Of several, the one with the best score. seen: CSR (customers, items) of their interactions.
    """
    n_items, n_codes = scores.shape[1], len(groups.codes)
    rows, items = list_entry_rows(seen).astype(np.int64), seen.indices
    is_own = groups.is_grouped[items] & allowed[items]
    keys = np.unique(rows[is_own] * n_items + items[is_own])
    keys = keys[~np.isin(keys, list_entry_keys(exclude))]
    rows, items = keys // n_items, (keys % n_items).astype(np.int32)
    values = np.asarray(scores[rows, items], np.float32).ravel()
    is_bought = np.isin(keys, list_entry_keys(purchased))
    group_keys = rows * n_codes + groups.codes[items]
    last_wins = np.lexsort((-items, values, is_bought, group_keys))
    last_wins = last_wins[values[last_wins] > 0]
    sorted_keys = group_keys[last_wins]
    is_last = np.append(sorted_keys[1:] != sorted_keys[:-1], True)[: len(sorted_keys)]
    own_keys, own_items = sorted_keys[is_last], items[last_wins[is_last]]
    shown = ranking.items.copy()
    if not len(own_keys):
        return ranking
    shown_keys = np.arange(len(shown))[:, None] * n_codes + np.where(shown >= 0, groups.codes[shown], -1)
    positions = np.minimum(np.searchsorted(own_keys, shown_keys), len(own_keys) - 1)
    is_replaced = (own_keys[positions] == shown_keys) & (shown >= 0)
    shown[is_replaced] = own_items[positions[is_replaced]]
    return Ranking(shown, ranking.scores)


def expand_columns(matrix: csr_array, groups: ProductGroups | None) -> csr_array:
    """Return the stored columns of each row and all other columns of their groups; the values have no meaning."""
    if groups is None or not groups.has_groups or not matrix.nnz:
        return matrix
    n_rows, n_columns = matrix.shape
    leaders = groups.codes[matrix.indices]
    pairs = np.unique(list_entry_rows(matrix).astype(np.int64) * len(groups.codes) + leaders)
    rows, leaders = pairs // len(groups.codes), pairs % len(groups.codes)
    numbers, positions = expand_ranges(groups.starts[leaders], groups.ends[leaders])
    columns, rows = groups.members[positions], rows[numbers]
    is_item = columns < n_columns
    columns, rows = columns[is_item], rows[is_item]
    return make_csr(np.ones(len(columns)), columns, np.searchsorted(rows, np.arange(n_rows + 1)), matrix.shape)


def merge_columns(first: csr_array, second: csr_array) -> csr_array:
    """Return the union of the stored columns of each row; the values have no meaning."""
    both = first + second
    return make_csr(np.ones(both.nnz), both.indices, both.indptr, both.shape)


def _select_entries(scores: Scores, columns: csr_array) -> csr_array:
    """Return the scores of the stored columns as a sparse matrix."""
    columns = columns.copy()
    columns.sum_duplicates()
    rows = list_entry_rows(columns)
    values = np.asarray(scores[rows, columns.indices], np.float32).ravel()
    if isinstance(scores, csr_array):  # it stores no entry for an item without a score
        values[values == 0] = -np.inf
    return make_csr(values, columns.indices, columns.indptr, columns.shape)


def _keep_items(ranking: Ranking, is_kept: Flags, n: int) -> Ranking:
    """Return the first n kept items of each row."""
    rows, columns = np.nonzero(is_kept)
    ranks = (np.cumsum(is_kept, axis=1) - 1)[rows, columns]
    is_shown = ranks < n
    rows, columns, ranks = rows[is_shown], columns[is_shown], ranks[is_shown]
    items = np.full((len(ranking), n), -1, np.int32)
    scores = np.full((len(ranking), n), -np.inf, np.float32)
    items[rows, ranks], scores[rows, ranks] = ranking.items[rows, columns], ranking.scores[rows, columns]
    return Ranking(items, scores)


def _limit_order(
    order: npt.NDArray[np.intp], items: npt.NDArray[np.int32], first_purchased: int, share: float
) -> npt.NDArray[np.intp]:
    """Return an order of columns, best first, with at most ``share`` of the positions for those from `first_purchased` on."""
    limited = order.copy()
    for row, filled in enumerate((items >= 0).sum(axis=1).tolist()):
        best_first = order[row, :filled]
        limited[row, :filled] = best_first[limit_purchased_share((best_first >= first_purchased).tolist(), share)]
    return limited
