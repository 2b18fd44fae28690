"""Evaluation queries of each placement, and the relevant products for each, from what users did after a cutoff."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.statistics import compute_wilson_bounds
from recommendations.engine.data.groups import expand_ranges, number_within_groups
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.data.visits import VISIT_GAP_S
from recommendations.engine.data.weighting import DAY
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import build_list_matrix
from recommendations.engine.linear_algebra.sparse import IntArray, sum_entries

VIEW_EVENTS = ("view", "click", "wishlist", "cart")
MAX_CART_ITEMS = 50
NEW_DAYS = 30.0
BASE_WINDOWS, MIN_RISING_PEOPLE = 8, 5
RISING_LEVEL = 0.9  # two-sided, so 95% for the lower bound


@dataclass(frozen=True, eq=False)
class EvaluationQueries:
    """n queries: row r of histories should lead to the stored columns of row r of relevant.

    user: int32 (n,) the user of each query. excluded: CSR (n, n_items) of columns not to show; offered: CSR of the only columns to
    show; allowed: bool (n_items,), the same for all queries. known: CSR of the relevant columns that the user had bought before.
    """

    histories: Histories
    relevant: csr_array
    user: npt.NDArray[np.int32]
    excluded: csr_array | None = None
    offered: csr_array | None = None
    allowed: npt.NDArray[np.bool_] | None = None
    known: csr_array | None = None

    def __len__(self) -> int:
        return len(self.user)

    @property
    def n_users(self) -> int:
        """Return the number of users with any relevant product."""
        return len(np.unique(self.user[np.diff(self.relevant.indptr) > 0]))

    def exclude(self, items: csr_array) -> "EvaluationQueries":
        """Return the queries without the stored columns of each row of `items`: neither shown nor relevant."""
        relevant = csr_array(self.relevant - self.relevant.multiply(items > 0))
        # Products that no list can show must not count as relevant, and stored zeros would: metrics count stored columns.
        relevant.eliminate_zeros()
        excluded = items if self.excluded is None else csr_array(self.excluded + items)
        return replace(self, relevant=relevant, excluded=excluded)

    def limit_relevant(self, items: npt.NDArray[np.bool_]) -> "EvaluationQueries":
        """Return the queries with only these products relevant. items: bool (n_items,)."""
        relevant = csr_array(self.relevant.multiply(items.astype(np.float32)[None, :]))
        relevant.eliminate_zeros()
        return replace(self, relevant=relevant)

    def slice_rows(self, start: int, stop: int) -> "EvaluationQueries":
        rows = slice(start, stop)
        return replace(
            self,
            histories=self.histories.slice_rows(start, stop),
            relevant=self.relevant[rows],
            user=self.user[rows],
            excluded=self.excluded[rows] if self.excluded is not None else None,
            offered=self.offered[rows] if self.offered is not None else None,
            known=self.known[rows] if self.known is not None else None,
        )


@dataclass(frozen=True)
class QuerySample:
    """Limits of a seeded sample: `per_user` queries per user and `max_queries` in total; first one query per user, then a second."""

    max_users: int
    seed: int
    per_user: int = 1
    max_queries: int | None = None

    @classmethod
    def of_cells(cls, cells: int, n_items: int, *, max_users: int, per_user: int, seed: int) -> "QuerySample":
        """Return the limits that keep queries × items below `cells` scores; at least 100 queries."""
        max_queries = max(cells // max(n_items, 1), 100)
        return cls(min(max_users, max_queries), seed, per_user, max_queries)

    def of(self, user: IntArray) -> npt.NDArray[np.intp]:
        """Return the indexes of the sampled queries, in their order; user: the user of each query."""
        rng = np.random.default_rng(self.seed)
        all_users = np.unique(user)
        sampled_users = (
            all_users if len(all_users) <= self.max_users else rng.choice(all_users, self.max_users, replace=False)
        )
        shuffled = rng.permutation(len(user))
        shuffled = shuffled[np.isin(user[shuffled], sampled_users)]
        by_user = shuffled[np.argsort(user[shuffled], kind="stable")]
        # Sorted by turn, all first queries of the users come before all second ones.
        turn = number_within_groups(user[by_user])
        in_turn = by_user[np.argsort(turn, kind="stable")][: int((turn < self.per_user).sum())]
        return np.sort(in_turn[: self.max_queries])


def make_product_histories(lists: npt.NDArray[np.int32], n_items: int) -> Histories:
    """Build histories of given products without a user, with weight 1 and age 0. lists: (n, m) item rows, -1 where shorter."""
    return Histories.of_matrix(build_list_matrix(lists, n_items))


def query_next_viewed(future: Interactions, sample: QuerySample) -> EvaluationQueries:
    """Query from each viewed product to the next other products viewed, added to the wishlist or added to the cart in the same visit.

    A visit ends with a pause of more than half an hour. All products of the next moment are relevant.
    """
    steps = _Steps.of(future, VIEW_EVENTS)
    is_query = steps.has_next & np.isin(steps.kind, _list_codes(("view", "click")))
    lines = np.flatnonzero(is_query)[sample.of(steps.user[is_query])]
    query_items = steps.item[lines, None]
    return EvaluationQueries(
        make_product_histories(query_items, future.n_items),
        steps.build_next_items(lines),
        steps.user[lines],
        build_list_matrix(query_items, future.n_items),
    )


def query_next_in_category(
    future: Interactions, category: npt.NDArray[np.int32], sample: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from each product of a basket to others of its category in the user's next basket, for shops without views."""
    lines = _select_events(future, kind)
    lines = lines.select(category[lines.item] >= 0)
    basket = lines.number_baskets(gap_s=VISIT_GAP_S).astype(np.int64)
    in_order = np.lexsort((lines.item, category[lines.item], basket))
    user, item, basket = lines.user[in_order], lines.item[in_order], basket[in_order]
    width = int(category.max(initial=0)) + 1
    # Baskets are numbered by user and time, so the next number is the user's next basket or the first one of another user.
    key = basket * width + category[item]
    begins, ends = (np.searchsorted(key, key + width, side=side) for side in ("left", "right"))
    is_query = ends > begins
    is_query[is_query] = user[begins[is_query]] == user[is_query]
    sampled = np.flatnonzero(is_query)[sample.of(user[is_query])]
    rows, positions = expand_ranges(begins[sampled], ends[sampled])
    is_other = item[positions] != item[sampled][rows]
    relevant = sum_entries(
        rows[is_other], item[positions][is_other], np.ones(int(is_other.sum())), (len(sampled), future.n_items)
    )
    query_items = item[sampled, None]
    return EvaluationQueries(
        make_product_histories(query_items, future.n_items),
        relevant,
        user[sampled],
        build_list_matrix(query_items, future.n_items),
    )


def query_basket_items(
    past: Interactions, future: Interactions, sample: QuerySample, *, n_given: int, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from `n_given` random products of a basket, at most all but one, to the rest of it. past: all earlier purchases."""
    lines = _select_events(future, kind)
    basket = lines.number_baskets(gap_s=VISIT_GAP_S).astype(np.int64)
    # A product counts once per basket.
    _pairs, first = np.unique(basket * future.n_items + lines.item, return_index=True)
    basket, item, user = basket[first], lines.item[first], lines.user[first]
    is_large = np.bincount(basket)[basket] > 1
    basket, item, user = basket[is_large], item[is_large], user[is_large]
    _, begins = np.unique(basket, return_index=True)
    is_sampled = np.isin(basket, basket[begins][sample.of(user[begins])])
    basket, item, user = basket[is_sampled], item[is_sampled], user[is_sampled]
    # A stable sort by basket of a random order is a random order within each basket; its first product is held out.
    shuffled = np.random.default_rng(sample.seed).permutation(len(basket))
    shuffled = shuffled[np.argsort(basket[shuffled], kind="stable")]
    basket, item, user = basket[shuffled], item[shuffled], user[shuffled]
    _, row = np.unique(basket, return_inverse=True)
    rank = number_within_groups(basket)
    n = int(row.max(initial=-1)) + 1
    query_items = np.full((n, n_given), -1, np.int32)
    is_given = (rank > 0) & (rank <= n_given)
    query_items[row[is_given], rank[is_given] - 1] = item[is_given]
    rest = ~is_given
    is_known = rest & _find_earlier_purchases(past.select(past.kind == KIND_CODES[kind]), user, item)
    relevant, known = (
        sum_entries(row[selected], item[selected], np.ones(int(selected.sum())), (n, future.n_items))
        for selected in (rest, is_known)
    )
    return EvaluationQueries(
        make_product_histories(query_items, future.n_items),
        relevant,
        user[rank == 0],
        build_list_matrix(query_items, future.n_items),
        known=known,
    )


def query_repurchases(
    weighted: Interactions, past: Interactions, future: Interactions, sample: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from a user's past to the products bought before that are in their next basket. weighted: the past with the weights of scores.

    as_of is the moment of the basket: the histories are older by the whole days until then, which keeps the time of day.
    """
    basket = select_next_baskets(future, kind=kind)
    own, later = _select_events(past, kind).build_user_items() > 0, basket.build_user_items() > 0
    users = np.flatnonzero((np.diff(own.indptr) > 0) & (np.diff(later.indptr) > 0)).astype(np.int32)
    users = users[sample.of(users)]
    offered = csr_array(own[users, :], dtype=np.float32)
    relevant = csr_array(later[users, :].multiply(own[users, :]), dtype=np.float32)
    relevant.eliminate_zeros()
    begins_at = np.full(basket.n_users, np.inf)
    np.minimum.at(begins_at, basket.user, basket.order)
    histories = weighted.build_histories(users)
    days = np.floor((begins_at[users] - histories.as_of) / DAY)
    aged = histories.order - np.repeat(days * DAY, np.diff(histories.indptr))
    return EvaluationQueries(replace(histories, order=aged), relevant, users, offered=offered)


def query_purchases(
    weighted: Interactions, future: Interactions, sample: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from a user's past to their later purchases; includes users without a past."""
    later = csr_array(_select_events(future, kind).build_user_items() > 0, dtype=np.float32)
    users = np.flatnonzero(np.diff(later.indptr)).astype(np.int32)
    users = users[sample.of(users)]
    return EvaluationQueries(weighted.build_histories(users), later[users, :], users)


def find_rising_items(
    past: Interactions, future: Interactions, *, days: float, kind: str = "purchase"
) -> npt.NDArray[np.bool_]:
    """Return bool (n_items,): whether more people than before chose an item in the `days` after as_of of the past, beyond chance.

    Of the people of an item in these days and in the BASE_WINDOWS equally long windows before (each person counts once per window), the share
    of these days has a lower confidence bound above the same share of all items: a week in which everything sells more lifts no item.
    At least MIN_RISING_PEOPLE. Wilson's bound, see `compute_wilson_bounds`.
    """
    seconds = days * DAY
    before = _select_events(past, kind)
    before = before.select(before.order >= past.as_of - BASE_WINDOWS * seconds)
    window = np.ceil((past.as_of - before.order) / seconds).astype(np.int64)
    entries = np.unique((window * past.n_users + before.user) * past.n_items + before.item)
    n_before = np.bincount(entries % past.n_items, minlength=past.n_items)
    after = _select_events(future, kind)
    entries = np.unique(after.user.astype(np.int64) * past.n_items + after.item)
    n_after = np.bincount(entries % past.n_items, minlength=past.n_items)
    if not n_before.sum():
        return np.zeros(past.n_items, np.bool_)
    usual_share = n_after.sum() / (n_after.sum() + n_before.sum())
    low, _high = compute_wilson_bounds(n_after, np.maximum(n_after + n_before, 1), level=RISING_LEVEL)
    return (n_after >= MIN_RISING_PEOPLE) & (low > usual_share)


def find_new_items(
    past: Interactions, *, published: npt.NDArray[np.float64] | None = None, days: float = NEW_DAYS
) -> npt.NDArray[np.bool_]:
    """Return bool (n_items,): whether an item was first published or used at most `days` days before as_of.

    published: seconds since 1970, NaN if unknown.
    """
    return np.isfinite(first_seen := find_first_seen(past, published=published)) & (
        first_seen >= past.as_of - days * DAY
    )


def find_first_seen(past: Interactions, *, published: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Return the first moment of each item in seconds since 1970, NaN if neither published nor used before as_of."""
    first_seen = np.full(past.n_items, np.inf)
    np.minimum.at(first_seen, past.item, past.order)
    if published is not None:
        first_seen = np.fmin(first_seen, np.where(published < past.as_of, published, np.nan))
    return np.where(np.isfinite(first_seen), first_seen, np.nan)


def query_next_after_view(
    past: Interactions, future: Interactions, sample: QuerySample
) -> tuple[EvaluationQueries, npt.NDArray[np.int32]]:
    """Query from a moment of a visit to the other products viewed, added to the wishlist, added to the cart or bought next in it.

    Also returns int32 (n, 10): the products that the user had viewed before, without the current one, newest first.
    """
    steps = _Steps.of(future, (*VIEW_EVENTS, "purchase"))
    is_query = steps.has_next & np.isin(steps.kind, _list_codes(("view", "click")))
    lines = np.flatnonzero(is_query)[sample.of(steps.user[is_query])]
    query_items = steps.item[lines, None]
    queries = EvaluationQueries(
        make_product_histories(query_items, future.n_items),
        steps.build_next_items(lines),
        steps.user[lines],
        build_list_matrix(query_items, future.n_items),
    )
    viewed = [part.select(np.isin(part.kind, _list_codes(("view", "click")))) for part in (past, future)]
    user, item = (np.concatenate([getattr(part, name) for part in viewed]) for name in ("user", "item"))
    order = np.concatenate([part.order for part in viewed])
    in_time = np.lexsort((order, user))
    user, item, order = user[in_time], item[in_time], order[in_time]
    recent = np.full((len(lines), 10), -1, np.int32)
    for row, line in enumerate(lines.tolist()):
        start, stop = np.searchsorted(user, steps.user[line]), np.searchsorted(user, steps.user[line], side="right")
        until = start + np.searchsorted(order[start:stop], steps.order[line])
        newest_first = item[start:until][::-1]
        _, first_positions = np.unique(newest_first, return_index=True)
        distinct = newest_first[np.sort(first_positions)]
        distinct = distinct[distinct != steps.item[line]][: recent.shape[1]]
        recent[row, : len(distinct)] = distinct
    return queries, recent


def query_next_basket(
    weighted: Interactions, future: Interactions, sample: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from the past of users to the products of their next basket."""
    has_past = np.bincount(weighted.user, minlength=weighted.n_users) > 0
    baskets = select_next_baskets(future.select(has_past[future.user]), kind=kind)
    return query_purchases(weighted, baskets, sample, kind=kind)


@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps of visits in order; consecutive interactions with one product are one step."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    order: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int8]
    visit: npt.NDArray[np.int32]
    n_items: int

    @classmethod
    def of(cls, future: Interactions, kinds: Sequence[str]) -> "_Steps":
        lines = future.select(np.isin(future.kind, _list_codes(kinds)))
        visit = lines.number_baskets(gap_s=VISIT_GAP_S)
        in_order = np.lexsort((lines.order, visit))
        item, visit = lines.item[in_order], visit[in_order]
        is_new_step = np.ones(len(item), np.bool_)
        is_new_step[1:] = (item[1:] != item[:-1]) | (visit[1:] != visit[:-1])
        step_lines = in_order[is_new_step]
        return cls(
            lines.user[step_lines],
            lines.item[step_lines],
            lines.order[step_lines],
            lines.kind[step_lines],
            visit[is_new_step],
            future.n_items,
        )

    @property
    def has_next(self) -> npt.NDArray[np.bool_]:
        has_next = np.zeros(len(self.item), np.bool_)
        has_next[:-1] = (self.visit[1:] == self.visit[:-1]) & (self.order[1:] > self.order[:-1])
        return has_next

    def build_next_items(self, lines: npt.NDArray[np.intp]) -> csr_array:
        """Return CSR (lines, n_items) of the products of the moment after each line."""
        begins = np.ones(len(self.item), np.bool_)
        begins[1:] = (self.visit[1:] != self.visit[:-1]) | (self.order[1:] != self.order[:-1])
        starts = np.append(np.flatnonzero(begins), len(self.item))
        # A query line is the last of its moment, because has_next needs a later order; the next moment begins right after it.
        ends = starts[np.searchsorted(starts, lines + 1, side="right")]
        rows, positions = expand_ranges(lines + 1, ends)
        is_other = self.item[positions] != self.item[lines][rows]
        return sum_entries(
            rows[is_other], self.item[positions][is_other], np.ones(int(is_other.sum())), (len(lines), self.n_items)
        )


def _select_events(interactions: Interactions, kind: str) -> Interactions:
    return interactions.select((interactions.kind == KIND_CODES[kind]) & (interactions.weight > 0))


def select_next_baskets(future: Interactions, *, kind: str = "purchase") -> Interactions:
    """Return the first basket of each user."""
    lines = _select_events(future, kind)
    basket = lines.number_baskets(gap_s=VISIT_GAP_S)
    first = np.full(lines.n_users, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(first, lines.user, basket)
    return lines.select(basket == first[lines.user])


def _list_codes(kinds: Sequence[str]) -> list[int]:
    return [KIND_CODES[kind] for kind in kinds]


def _find_earlier_purchases(past: Interactions, user: IntArray, item: IntArray) -> npt.NDArray[np.bool_]:
    has_query = np.zeros(past.n_users, np.bool_)
    has_query[user] = True
    lines = past.select(has_query[past.user])
    # The key is unique for each pair of user and item.
    return np.isin(user.astype(np.int64) * past.n_items + item, lines.user.astype(np.int64) * past.n_items + lines.item)
