"""Evaluation queries of the current visit: given everything up to a moment inside it, predict the next product that is new in it."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.groups import expand_ranges
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.data.visits import VISIT_GAP_S
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries, QuerySample
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import build_list_matrix
from recommendations.engine.linear_algebra.sparse import sum_entries

LOOK_KINDS = [KIND_CODES[kind] for kind in ("view", "click", "wishlist", "cart")]
STEP_KINDS = [*LOOK_KINDS, KIND_CODES["purchase"]]


def query_next_in_visit(
    interactions: Interactions, sample: QuerySample, *, since: float, until: float, bought_before: bool = True
) -> EvaluationQueries:
    """Build queries: given everything that a user did up to a view, predict the next product that is new in the same visit.

    interactions: with their recorded weights; ratings since `since` don't change them. Views at or after `since` and before `until` are
    queries if another product follows in the same visit, at a later moment and before `until`. bought_before: only visits that begin
    after a purchase of the user. The products of the visit so far are excluded, because a recommendation should show something new.
    The histories are moved in time so that each ends at `since`: a query is scored at its own moment.
    """
    lines = interactions.select(np.isin(interactions.kind, STEP_KINDS) & (interactions.order < until))
    lines = lines.weigh_before(since)
    in_order = np.lexsort((lines.order, lines.user))
    user, item, order, kind = (getattr(lines, name)[in_order] for name in ("user", "item", "order", "kind"))
    visit, start = _number_visits(user, order)
    following = _find_next_new_item(visit, item)
    has_next = following >= 0
    has_next[has_next] = order[following[has_next]] > order[has_next]
    is_query = has_next & np.isin(kind, LOOK_KINDS) & (order >= since)
    if bought_before:
        is_query &= _has_bought_before(user, kind, start)
    queries = np.flatnonzero(is_query)[sample.of(user[is_query])]
    begins = np.searchsorted(user, user[queries])
    row, position = expand_ranges(begins, queries + 1)
    # Serving counts ages back from the moment of the request, but all histories have one as_of. Moved to it, each history ends there.
    moved = order[position] - order[queries][row] + since
    histories = Histories(
        indptr=np.concatenate([[0], np.cumsum(queries + 1 - begins)]).astype(np.int64),
        item=item[position],
        order=moved,
        weight=lines.weight[in_order][position],
        kind=kind[position],
        user=user[queries],
        n_items=lines.n_items,
        as_of=since,
    )
    return EvaluationQueries(
        histories,
        build_list_matrix(item[following[queries]][:, None], lines.n_items),
        user[queries],
        excluded=_list_visited(start[queries], queries, item, lines.n_items),
    )


def _number_visits(
    user: npt.NDArray[np.int32], order: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the number of each line's visit, and the first line of that visit."""
    begins = np.ones(len(user), np.bool_)
    begins[1:] = (user[1:] != user[:-1]) | (order[1:] - order[:-1] > VISIT_GAP_S)
    number = np.cumsum(begins) - 1
    return number, np.flatnonzero(begins)[number]


def _find_next_new_item(visit: npt.NDArray[np.intp], item: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return the next line of the same visit whose product has not occurred in it before, -1 if there is none."""
    n = len(visit)
    keys = visit.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    is_first = np.zeros(n, np.bool_)
    is_first[np.unique(keys, return_index=True)[1]] = True
    following = np.full(n, -1, np.intp)
    if n:
        firsts = np.append(np.flatnonzero(is_first), n)
        candidates = firsts[np.searchsorted(firsts, np.arange(n), side="right").clip(max=len(firsts) - 1)]
        is_inside = candidates < n
        is_inside[is_inside] = visit[candidates[is_inside]] == visit[is_inside]
        following[is_inside] = candidates[is_inside]
    return following


def _has_bought_before(
    user: npt.NDArray[np.int32], kind: npt.NDArray[np.int8], start: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Return whether the user of each line had a purchase before the visit of the line, which begins at line `start`."""
    purchases = np.concatenate([[0], np.cumsum(kind == KIND_CODES["purchase"])])
    first_of_user = np.searchsorted(user, user)
    return purchases[start] > purchases[first_of_user]


def _list_visited(
    start: npt.NDArray[np.intp], queries: npt.NDArray[np.intp], item: npt.NDArray[np.int32], n_items: int
) -> csr_array:
    """Return CSR (queries, n_items) of the products of each visit up to the query; start: the first line of the visit of each query."""
    row, position = expand_ranges(start, queries + 1)
    return sum_entries(row, item[position], np.ones(len(row)), (len(queries), n_items))
