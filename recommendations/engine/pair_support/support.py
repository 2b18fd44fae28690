"""The support of pairs of products, stored with the neighbors of an algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Flags, Ints, Rows
from config.foundation.statistics import limit_share
from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import deal_rows, list_entry_rows, make_csr, replace_data, transpose
from recommendations.engine.pair_support.kernels import (
    count_pair_people,
    count_top_pairs,
    find_counts,
    grade_counts,
    score_counted_pairs,
)
from recommendations.engine.pair_support.pair_engine import CountedPairs, FirstAndLast, PairScore, find_pair_engine

# A tenth of an order of prior evidence that a pair is as frequent as by chance, and the one-sided 95% limit.
PRIOR_ORDERS = 0.1
Z = 1.645
MIN_PEOPLE = 2  # fewer would reveal what one customer bought
# Algorithms whose pairs determine which products may be shown next to another one.
PARTNER_COMPONENTS = ("co-purchase", "item-knn", "transitions")


class SupportLevel(IntEnum):
    """What the data say about a pair: NONE nothing, SOME at least two people, OFTEN enough for the word "often"."""

    NONE = 0
    SOME = 1
    OFTEN = 2


class PairCounts(NamedTuple):
    """Support of single pairs. orders, people: int32 (m,), 0 for an unknown pair; lift: float32 (m,), its lower bound."""

    orders: Rows
    people: Rows
    lift: npt.NDArray[np.float32]

    def grade(self, minimum: int) -> npt.NDArray[np.int8]:
        """Return the `SupportLevel` of each pair.

        OFTEN: at least `minimum` orders or `minimum` people, at least two people, and a lower bound of the lift above 1.
        """
        return grade_counts(self.orders, self.people, self.lift, minimum, MIN_PEOPLE)


@dataclass(frozen=True, eq=False)
class PairSupport:
    """Support of the pairs that a CSR matrix (items, items) stores, one entry each, in the order of its entries.

    indptr, indices: those of the matrix. orders, people: int32 (nnz,) orders and people with both items; an algorithm that
    counts no orders has 0. lift: float32 (nnz,) lower confidence bound of the lift, by `bound_lifts`.
    """

    indptr: npt.NDArray[np.integer]
    indices: npt.NDArray[np.integer]
    orders: Rows
    people: Rows
    lift: npt.NDArray[np.float32]

    @classmethod
    def of_arrays(cls, matrix: csr_array, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the support of a matrix's entries."""
        return cls(matrix.indptr, matrix.indices, arrays["orders"], arrays["people"], arrays["lift"])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that the matrix does not have."""
        return {"orders": self.orders, "people": self.people, "lift": self.lift}

    def find(self, firsts: npt.NDArray[np.integer], seconds: npt.NDArray[np.integer]) -> PairCounts:
        """Return the counts of the pairs (firsts[i], seconds[i])."""
        counts = find_counts(self.indptr, self.indices, self.orders, self.people, self.lift, firsts, seconds)
        return PairCounts(*counts)

    def list_partners(self, rows: npt.NDArray[np.integer]) -> Rows:
        """Return the items that at least two people have together with any of these, possibly repeated."""
        ranges = [slice(self.indptr[row], self.indptr[row + 1]) for row in rows.tolist() if row < len(self.indptr) - 1]
        parts = [self.indices[entries][self.people[entries] >= MIN_PEOPLE] for entries in ranges]
        return np.concatenate(parts) if parts else np.empty(0, np.int32)


def bound_lifts(
    pairs: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike, total: float, *, prior: float, z: float
) -> npt.NDArray[np.float64]:
    """Return the lower confidence bound of each pair's lift, P(second | first) / P(second).

    `pairs` of the `first` orders (or people) with the first item also have the second one; `second` of all `total` have it. The bound is
    Wilson's lower limit of the share (pairs + α) / (first + α / s), divided by s = second / total. α = `prior` orders of evidence that
    the pair is as frequent as by chance keep a pair of few orders with rare products from the highest lifts; α = 0 and z = 0
    give the plain lift. Sources: Wilson, JASA 1927; shrinkage of rare pairs toward a lift of 1: DuMouchel, The American
    Statistician 1999.
    """
    x, n_first, n_second = (np.asarray(values, np.float64) for values in (pairs, first, second))
    share = n_second / max(total, 1.0)
    known = (share > 0) & (n_first > 0)
    safe = np.where(known, share, 1.0)
    n = np.where(known, n_first + prior / safe, 1.0)
    bound = limit_share(np.minimum((x + prior) / n, 1.0), n, -z)
    return np.where(known, np.maximum(bound, 0.0) / safe, 0.0)


class TopPairs(NamedTuple):
    """The k best pairs of each item: rules (items, items) with the scores, best first, and their support."""

    rules: csr_array
    support: PairSupport


def find_top_pairs(
    basket_items: csr_array,
    basket_user: Rows,
    *,
    k: int,
    min_count: int,
    damping: float,
    prior: float,
    z: float,
) -> TopPairs:
    """Return the pairs of items in the same baskets, scored by bound of the lift · s^(1 − damping), s the share of the second item.

    Baskets of one user are not independent, so the bound counts each person of a pair once: it takes n_ij / n_j from the baskets and
    the size of the sample from the people (the design effect of a sample of clusters, Kish 1965). basket_items: CSR (baskets, items)
    of ones. basket_user: the user of each basket, ascending.
    """
    n_baskets, n_items = basket_items.shape
    item_baskets = transpose(basket_items)
    baskets_with = np.diff(item_baskets.indptr)
    share = baskets_with / n_baskets
    factors = np.power(share, -damping, out=np.zeros(n_items), where=share > 0)
    width = max(1, min(k, n_items))
    engine = find_pair_engine(np.diff(basket_items.indptr))
    if engine is not None:
        score = PairScore(share, factors, min_count, float(prior), float(z))
        counted = engine.count_baskets(basket_items, basket_user, k=width, score=score)
        rules, orders, people = rank_counted_pairs(counted, baskets_with, score, width)
        return TopPairs(rules, build_support(rules, orders, people, baskets_with, n_baskets, prior=prior, z=z))
    columns = np.empty((n_items, width), np.int32)
    values = np.empty((n_items, width), np.float32)
    orders, people = np.empty((n_items, width), np.int32), np.empty((n_items, width), np.int32)
    counts = np.zeros(n_items, np.int32)
    rows = deal_rows(n_items)
    map_blocks(
        lambda start, stop: count_top_pairs(
            rows[start:stop], item_baskets.indptr, item_baskets.indices, basket_items.indptr, basket_items.indices,
            basket_user, share, factors, min_count, float(prior), float(z), columns, values, orders, people, counts,
        ),
        n_items,
    )  # fmt: skip
    is_filled = np.arange(width) < counts[:, None]
    indptr = np.concatenate([[0], np.cumsum(counts)])
    rules = make_csr(values[is_filled], columns[is_filled], indptr, (n_items, n_items))
    support = build_support(rules, orders[is_filled], people[is_filled], baskets_with, n_baskets, prior=prior, z=z)
    return TopPairs(rules, support)


def rank_counted_pairs(
    counted: CountedPairs, baskets_with: Ints, score: PairScore, width: int
) -> tuple[csr_array, Rows, Rows]:
    """Return the best pairs of each item as CSR (items, items), best first (ties: lower column), and their orders and people."""
    values = np.empty(len(counted.row), np.float32)
    score_counted_pairs(*counted, baskets_with, score.share, score.factor, score.prior, score.z, values)
    n_items = len(baskets_with)
    order = np.lexsort((counted.column, -values, counted.row))
    order = order[values[order] > 0]
    starts = np.concatenate([[0], np.cumsum(np.bincount(counted.row[order], minlength=n_items))])
    order = order[np.arange(len(order)) - starts[counted.row[order]] < width]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(counted.row[order], minlength=n_items))])
    rules = make_csr(values[order], counted.column[order], indptr, (n_items, n_items))
    return rules, counted.orders[order], counted.people[order]


def build_support(
    rules: csr_array, orders: Rows, people: Rows, baskets_with: Ints, n_baskets: int, *, prior: float, z: float
) -> PairSupport:
    """Return the support of the rules; orders, people: of each stored entry."""
    first = baskets_with[list_entry_rows(rules)] * (people / orders)
    lift = bound_lifts(people, first, baskets_with[rules.indices], n_baskets, prior=prior, z=z)
    return PairSupport(rules.indptr, rules.indices, orders, people, lift.astype(np.float32))


def count_people_of_pairs(
    matrix: csr_array, interactions: Interactions, *, kind: str | None = None, in_order: bool = False
) -> PairSupport:
    """Return how many people have both items of each stored entry, with the lower bound of the lift among people.

    kind: count only interactions of this kind. in_order: count only people who chose the second item after the first.
    """
    is_counted = interactions.weight > 0
    if kind is not None:
        is_counted &= interactions.kind == KIND_CODES[kind]
    counted = interactions.select(is_counted)
    n_items = interactions.n_items
    pair = counted.user.astype(np.int64) * n_items + counted.item
    entries, number = np.unique(pair, return_inverse=True)
    first, last = np.full(len(entries), np.inf), np.full(len(entries), -np.inf)
    np.minimum.at(first, number, counted.order)
    np.maximum.at(last, number, counted.order)
    entry_user, entry_item = (entries // n_items).astype(np.int32), (entries % n_items).astype(np.int32)
    people_with = np.bincount(entry_item, minlength=n_items)
    user_indptr = np.searchsorted(entry_user, np.arange(interactions.n_users + 1))
    engine = find_pair_engine(np.diff(user_indptr))
    if engine is not None:
        people = engine.count_people(matrix, FirstAndLast(entry_user, entry_item, first, last), in_order=in_order)
    else:
        item_indptr = np.concatenate([[0], np.cumsum(people_with)])
        item_entries = np.argsort(entry_item, kind="stable")
        people, rows = np.zeros(matrix.nnz, np.int32), deal_rows(n_items)
        map_blocks(
            lambda start, stop: count_pair_people(
                rows[start:stop], matrix.indptr, matrix.indices, item_indptr, item_entries, entry_user,
                user_indptr, entry_item, first, last, in_order, people,
            ),
            n_items,
        )  # fmt: skip
    firsts = list_entry_rows(matrix)
    n_people = len(np.unique(entry_user))
    lift = bound_lifts(people, people_with[firsts], people_with[matrix.indices], n_people, prior=PRIOR_ORDERS, z=Z)
    return PairSupport(matrix.indptr, matrix.indices, np.zeros(matrix.nnz, np.int32), people, lift.astype(np.float32))


def select_partners(supports: list[PairSupport], rows: npt.NDArray[np.integer], n: int) -> Flags:
    """Return which of n items at least two people have together with any of the given ones, by any of the supports."""
    is_partner = np.zeros(n, np.bool_)
    for support in supports:
        is_partner[support.list_partners(rows)] = True
    return is_partner


def find_partners(supports: Sequence[PairSupport], given: csr_array) -> csr_array:
    """Return CSR (rows, items) of ones: what `select_partners` selects for the stored columns of each row of `given`."""
    partners = csr_array(given.shape, dtype=np.float32)
    given = replace_data(given, np.ones(given.nnz))
    for support in supports:
        has_people = (support.people >= MIN_PEOPLE).astype(np.float32)
        pairs = make_csr(has_people, support.indices, support.indptr, (given.shape[1], given.shape[1]))
        partners = csr_array(partners + given @ pairs)
    partners.eliminate_zeros()
    return replace_data(partners, np.ones(partners.nnz))
