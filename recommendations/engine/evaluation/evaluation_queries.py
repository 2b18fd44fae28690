"""Evaluation queries of each placement, and the relevant products for each, from what users did after a cutoff."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import build_list_matrix
from recommendations.engine.linear_algebra.sparse import IntArray, sum_entries

VISIT_GAP_S = 1800.0
VIEW_EVENTS = ("view", "click", "wishlist", "cart")
MAX_CART_ITEMS = 50
NEW_DAYS = 30.0
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class EvaluationQueries:
    """n queries: row r of histories should lead to the stored columns of row r of relevant.

    person: int32 (n,) the user of each query. excluded: CSR (n, n_items) of columns not to show; offered: CSR of the only columns to
    show; among: bool (n_items,), the same for all queries. known: bool (n,), whether the user had bought the relevant product before.
    """

    histories: Histories
    relevant: csr_array
    person: npt.NDArray[np.int32]
    excluded: csr_array | None = None
    offered: csr_array | None = None
    among: npt.NDArray[np.bool_] | None = None
    known: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.person)

    @property
    def n_users(self) -> int:
        """Return the number of users with any relevant product."""
        return len(np.unique(self.person[np.diff(self.relevant.indptr) > 0]))

    def slice_rows(self, start: int, stop: int) -> "EvaluationQueries":
        rows = slice(start, stop)
        return replace(
            self,
            histories=self.histories.rows(start, stop),
            relevant=self.relevant[rows],
            person=self.person[rows],
            excluded=self.excluded[rows] if self.excluded is not None else None,
            offered=self.offered[rows] if self.offered is not None else None,
            known=self.known[rows] if self.known is not None else None,
        )


@dataclass(frozen=True)
class QuerySample:
    """Limits of a seeded sample: `each` queries per user and `most` in total; first one query per user, then a second."""

    max_users: int
    seed: int
    each: int = 1
    most: int | None = None

    @classmethod
    def of_cells(cls, cells: int, n_items: int, *, people: int, each: int, seed: int) -> "QuerySample":
        """Return the limits that keep queries × items below `cells` scores; at least 100 queries."""
        most = max(cells // max(n_items, 1), 100)
        return cls(min(people, most), seed, each, most)

    def of(self, person: IntArray) -> npt.NDArray[np.intp]:
        """Return the indexes of the sampled queries, in their order; person: the user of each query."""
        draws = np.random.default_rng(self.seed)
        all_users = np.unique(person)
        chosen = (
            all_users if len(all_users) <= self.max_users else draws.choice(all_users, self.max_users, replace=False)
        )
        mixed = draws.permutation(len(person))
        mixed = mixed[np.isin(person[mixed], chosen)]
        by_person = mixed[np.argsort(person[mixed], kind="stable")]
        turn = _number_within_groups(person[by_person])
        in_turn = by_person[np.argsort(turn, kind="stable")][: int((turn < self.each).sum())]
        return np.sort(in_turn[: self.most])


def make_product_histories(lists: npt.NDArray[np.int32], n_items: int) -> Histories:
    """Build histories of given products without a user, with weight 1 and age 0. lists: (n, m) item rows, -1 where shorter."""
    return Histories.of_matrix(build_list_matrix(lists, n_items))


def query_next_viewed(future: Interactions, draw: QuerySample) -> EvaluationQueries:
    """Query from each viewed product to the next other products viewed, marked or added to the cart in the same visit.

    A visit ends with a pause of more than half an hour. All products of the next moment are relevant.
    """
    steps = _Steps.of(future, VIEW_EVENTS)
    is_query = steps.has_next & np.isin(steps.kind, _list_codes(("view", "click")))
    lines = np.flatnonzero(is_query)[draw.of(steps.user[is_query])]
    given = steps.item[lines, None]
    return EvaluationQueries(
        make_product_histories(given, future.n_items),
        steps.wanted(lines),
        steps.user[lines],
        build_list_matrix(given, future.n_items),
    )


def query_next_in_category(
    future: Interactions, category: npt.NDArray[np.int32], draw: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from each product of a basket to others of its category in the user's next basket, for shops without views."""
    lines = _select_events(future, kind)
    lines = lines.subset(category[lines.item] >= 0)
    basket = lines.baskets(gap_s=VISIT_GAP_S).astype(np.int64)
    in_order = np.lexsort((lines.item, category[lines.item], basket))
    user, item, basket = lines.user[in_order], lines.item[in_order], basket[in_order]
    width = int(category.max(initial=0)) + 1
    key = basket * width + category[item]
    begins, ends = (np.searchsorted(key, key + width, side=side) for side in ("left", "right"))
    is_query = ends > begins
    is_query[is_query] = user[begins[is_query]] == user[is_query]
    chosen = np.flatnonzero(is_query)[draw.of(user[is_query])]
    rows, places = _expand_ranges(begins[chosen], ends[chosen])
    other = item[places] != item[chosen][rows]
    relevant = sum_entries(rows[other], item[places][other], np.ones(int(other.sum())), (len(chosen), future.n_items))
    given = item[chosen, None]
    return EvaluationQueries(
        make_product_histories(given, future.n_items), relevant, user[chosen], build_list_matrix(given, future.n_items)
    )


def query_basket_items(
    past: Interactions, future: Interactions, draw: QuerySample, *, given: int, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from `given` random products of a basket (fewer if it is small) to a held-out one. past: all purchases before."""
    lines = _select_events(future, kind)
    basket = lines.baskets(gap_s=VISIT_GAP_S).astype(np.int64)
    _pairs, first = np.unique(basket * future.n_items + lines.item, return_index=True)
    basket, item, user = basket[first], lines.item[first], lines.user[first]
    large = np.bincount(basket)[basket] > 1
    basket, item, user = basket[large], item[large], user[large]
    _, begins = np.unique(basket, return_index=True)
    chosen = np.isin(basket, basket[begins][draw.of(user[begins])])
    basket, item, user = basket[chosen], item[chosen], user[chosen]
    mixed = np.random.default_rng(draw.seed).permutation(len(basket))
    mixed = mixed[np.argsort(basket[mixed], kind="stable")]
    basket, item, user = basket[mixed], item[mixed], user[mixed]
    _, row = np.unique(basket, return_inverse=True)
    place = _number_within_groups(basket)
    n = int(row.max(initial=-1)) + 1
    held, lists = item[place == 0], np.full((n, given), -1, np.int32)
    shown = (place > 0) & (place <= given)
    lists[row[shown], place[shown] - 1] = item[shown]
    owner = user[place == 0]
    relevant = sum_entries(np.arange(n), held, np.ones(n), (n, future.n_items))
    return EvaluationQueries(
        make_product_histories(lists, future.n_items),
        relevant,
        owner,
        build_list_matrix(lists, future.n_items),
        known=_had_before(past.subset(past.kind == KIND_CODES[kind]), owner, held),
    )


def query_repurchases(
    weighed: Interactions, past: Interactions, future: Interactions, draw: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from a user's past to the products bought before that they buy again. weighed: the past as scores start from it."""
    own, later = _select_events(past, kind).user_items() > 0, _select_events(future, kind).user_items() > 0
    people = np.flatnonzero((np.diff(own.indptr) > 0) & (np.diff(later.indptr) > 0)).astype(np.int32)
    people = people[draw.of(people)]
    offered = csr_array(own[people, :], dtype=np.float32)
    relevant = csr_array(later[people, :].multiply(own[people, :]), dtype=np.float32)
    relevant.eliminate_zeros()
    return EvaluationQueries(weighed.histories(people), relevant, people, offered=offered)


def query_purchases(
    weighed: Interactions, future: Interactions, draw: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from a user's past to what they then bought; includes users without a past."""
    later = csr_array(_select_events(future, kind).user_items() > 0, dtype=np.float32)
    people = np.flatnonzero(np.diff(later.indptr)).astype(np.int32)
    people = people[draw.of(people)]
    return EvaluationQueries(weighed.histories(people), later[people, :], people)


def find_new_items(
    past: Interactions, *, published: npt.NDArray[np.float64] | None = None, days: float = NEW_DAYS
) -> npt.NDArray[np.bool_]:
    """Return bool (n_items,): first published or touched at most this many days before as_of, whichever came first.

    published: seconds since 1970, NaN if unknown.
    """
    return np.isfinite(begun := find_first_seen(past, published=published)) & (begun >= past.as_of - days * DAY)


def find_first_seen(past: Interactions, *, published: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Return the first moment of each item in seconds since 1970, NaN if neither published nor touched before as_of."""
    begun = np.full(past.n_items, np.inf)
    np.minimum.at(begun, past.item, past.order)
    if published is not None:
        begun = np.fmin(begun, np.where(published < past.as_of, published, np.nan))
    return np.where(np.isfinite(begun), begun, np.nan)


def query_next_after_view(
    past: Interactions, future: Interactions, draw: QuerySample
) -> tuple[EvaluationQueries, npt.NDArray[np.int32]]:
    """Query from a moment of a visit to the other products viewed, marked, added to the cart or bought next in it.

    Also returns int32 (n, 10): what the user had viewed before, without the present product, newest first.
    """
    steps = _Steps.of(future, (*VIEW_EVENTS, "purchase"))
    is_query = steps.has_next & np.isin(steps.kind, _list_codes(("view", "click")))
    lines = np.flatnonzero(is_query)[draw.of(steps.user[is_query])]
    given = steps.item[lines, None]
    questions = EvaluationQueries(
        make_product_histories(given, future.n_items),
        steps.wanted(lines),
        steps.user[lines],
        build_list_matrix(given, future.n_items),
    )
    viewed = [part.subset(np.isin(part.kind, _list_codes(("view", "click")))) for part in (past, future)]
    user, item = (np.concatenate([getattr(part, name) for part in viewed]) for name in ("user", "item"))
    order = np.concatenate([part.order for part in viewed])
    in_time = np.lexsort((order, user))
    user, item, order = user[in_time], item[in_time], order[in_time]
    recent = np.full((len(lines), 10), -1, np.int32)
    for row, line in enumerate(lines.tolist()):
        start, stop = np.searchsorted(user, steps.user[line]), np.searchsorted(user, steps.user[line], side="right")
        until = start + np.searchsorted(order[start:stop], steps.order[line])
        back = item[start:until][::-1]
        _, newest = np.unique(back, return_index=True)
        shown = back[np.sort(newest)]
        shown = shown[shown != steps.item[line]][: recent.shape[1]]
        recent[row, : len(shown)] = shown
    return questions, recent


def query_next_basket(
    weighed: Interactions, future: Interactions, draw: QuerySample, *, kind: str = "purchase"
) -> EvaluationQueries:
    """Query from the past of users to the products of their next basket."""
    lines = _select_events(future, kind)
    had = np.bincount(weighed.user, minlength=weighed.n_users) > 0
    lines = lines.subset(had[lines.user])
    basket = lines.baskets(gap_s=VISIT_GAP_S)
    first = np.full(lines.n_users, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(first, lines.user, basket)
    return query_purchases(weighed, lines.subset(basket == first[lines.user]), draw, kind=kind)


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
        lines = future.subset(np.isin(future.kind, _list_codes(kinds)))
        visit = lines.baskets(gap_s=VISIT_GAP_S)
        in_order = np.lexsort((lines.order, visit))
        item, visit = lines.item[in_order], visit[in_order]
        fresh = np.ones(len(item), np.bool_)
        fresh[1:] = (item[1:] != item[:-1]) | (visit[1:] != visit[:-1])
        kept = in_order[fresh]
        return cls(
            lines.user[kept], lines.item[kept], lines.order[kept], lines.kind[kept], visit[fresh], future.n_items
        )

    @property
    def has_next(self) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(self.item), np.bool_)
        found[:-1] = (self.visit[1:] == self.visit[:-1]) & (self.order[1:] > self.order[:-1])
        return found

    def wanted(self, lines: npt.NDArray[np.intp]) -> csr_array:
        """Return CSR (lines, n_items) of the products of the moment after each line."""
        begins = np.ones(len(self.item), np.bool_)
        begins[1:] = (self.visit[1:] != self.visit[:-1]) | (self.order[1:] != self.order[:-1])
        starts = np.append(np.flatnonzero(begins), len(self.item))
        ends = starts[np.searchsorted(starts, lines + 1, side="right")]
        rows, places = _expand_ranges(lines + 1, ends)
        other = self.item[places] != self.item[lines][rows]
        return sum_entries(rows[other], self.item[places][other], np.ones(int(other.sum())), (len(lines), self.n_items))


def _select_events(interactions: Interactions, kind: str) -> Interactions:
    return interactions.subset((interactions.kind == KIND_CODES[kind]) & (interactions.weight > 0))


def _list_codes(kinds: Sequence[str]) -> list[int]:
    return [KIND_CODES[kind] for kind in kinds]


def _number_within_groups(groups: IntArray) -> npt.NDArray[np.intp]:
    """Return the position of each entry within its group, from 0; groups must be contiguous."""
    begins = np.ones(len(groups), np.bool_)
    begins[1:] = groups[1:] != groups[:-1]
    starts = np.flatnonzero(begins)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def _expand_ranges(begins: IntArray, ends: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each range r its number and every position begins[r] … ends[r] − 1."""
    lengths = ends - begins
    rows = np.repeat(np.arange(len(begins)), lengths)
    return rows, np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths) + begins[rows]


def _had_before(past: Interactions, user: IntArray, item: IntArray) -> npt.NDArray[np.bool_]:
    has_query = np.zeros(past.n_users, np.bool_)
    has_query[user] = True
    lines = past.subset(has_query[past.user])
    return np.isin(user.astype(np.int64) * past.n_items + item, lines.user.astype(np.int64) * past.n_items + lines.item)
