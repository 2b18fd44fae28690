"""Recommend products to many customers at once, in blocks, with the same model and placements as single requests.

Merchandising rules apply to each customer as in a request. Unlike a request: interactions since the newest refresh are
unknown, no new products are explored, nothing is rotated or diversified, and there are no reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine import Histories
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.cold_start import NewVisitors
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU, NEW, PLACEMENTS, POPULAR, TRENDING
from recommendations.engine.topn import count_block_rows, top_n
from recommendations.merchandising.rules.ranking import apply_factors, apply_to_ranking
from recommendations.merchandising.rules.rule_book import RuleEffects
from recommendations.serving.pipeline.context import COLD_START
from recommendations.serving.pipeline.scoring import score_by_rank
from recommendations.serving.state.compiled_blends import select_components
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import PURCHASE, ServingModel
from recommendations.serving.state.product_index import ProductFilters
from recommendations.serving.state.settings import PurchasedProducts
from recommendations.serving.state.suppression import hash_name

UNWEIGHTED_PLACEMENTS = (NEW,)  # ranks
BATCH_PLACEMENTS = (FOR_YOU, BUY_AGAIN, POPULAR, TRENDING, NEW)

type Values = npt.NDArray[np.float32]


class UnsupportedPlacementError(ValueError):
    """A placement whose recommendations cannot be computed in advance."""

    def __init__(self, scenario: str) -> None:
        message = _("Placement %(given)s cannot be exported; valid: %(valid)s.")
        super().__init__(message % {"given": repr(scenario), "valid": ", ".join(BATCH_PLACEMENTS)})


class NoActiveModelError(Exception):
    """No model has been trained and promoted yet."""

    def __init__(self) -> None:
        super().__init__(
            _("There is no active model yet. Run `manage.py train` or wait for the nightly training, then start again.")
        )


@dataclass(frozen=True, eq=False)
class CustomerBlock:
    """n customers. names: all their identifiers as "kind:value"; owner: the customer of each name, 0 … n − 1, sorted."""

    n: int
    names: Sequence[str]
    owner: Rows

    def list_names_by_customer(self) -> list[list[str]]:
        """Return the names of each customer."""
        names_by_customer: list[list[str]] = [[] for _customer in range(self.n)]
        for name, owner in zip(self.names, self.owner.tolist(), strict=True):
            names_by_customer[owner].append(name)
        return names_by_customer

    def slice(self, start: int, stop: int) -> "CustomerBlock":
        """Return the customers start … stop − 1, numbered from 0 again."""
        first, last = np.searchsorted(self.owner, [start, stop])
        return CustomerBlock(
            min(stop, self.n) - start, self.names[first:last], self.owner[first:last] - np.int32(start)
        )


@dataclass
class BatchRecommendations:
    """items: int32 (n, k) model rows, padded with -1; strategies: one per customer, "" for a customer without products."""

    items: Rows
    scores: Values
    strategies: list[str] = field(default_factory=list)


class BlockState(NamedTuple):
    """What the model knows about a block of customers. opted_out: (n,), refused personalization or suppressed."""

    customers: CustomerBlock
    histories: Histories
    opted_out: npt.NDArray[np.bool_]
    dismissed: csr_array
    rule_effects: list[RuleEffects | None]


class BatchRecommender:
    """Recommends one placement to many customers; holds everything that is the same for all of them."""

    def __init__(self, *, loaded: ServingState, scenario: str, n: int, now: datetime) -> None:
        """Errors: UnsupportedPlacementError, NoActiveModelError."""
        if scenario not in BATCH_PLACEMENTS:
            raise UnsupportedPlacementError(scenario)
        if loaded.model is None or loaded.blends is None:
            raise NoActiveModelError
        self.state, self.model, self.scenario, self.n, self.now = loaded, loaded.model, scenario, n, now
        self.n_items = len(self.model.items)
        self.allowed = loaded.products.get_mask(ProductFilters())
        self.block = count_block_rows(self.n_items)
        self.placements = [
            name
            for name in list_fallback_chain(loaded, scenario)
            if name in BATCH_PLACEMENTS and name not in loaded.blends.switched_off
        ]
        self._static_scores: dict[str, Values] = {}

    def recommend(self, customers: CustomerBlock) -> BatchRecommendations:
        """Return the best products of each customer, computed in blocks whose scores fit into memory."""
        parts = [
            self._recommend_block(customers.slice(start, start + self.block))
            for start in range(0, customers.n, self.block)
        ]
        if not parts:
            return BatchRecommendations(np.empty((0, self.n), np.int32), np.empty((0, self.n), np.float32))
        return BatchRecommendations(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            [strategy for part in parts for strategy in part.strategies],
        )

    def _recommend_block(self, customers: CustomerBlock) -> BatchRecommendations:
        known = load_block(self.state, self.model, customers, scenario=self.scenario, now=self.now)
        result = BatchRecommendations(
            np.full((customers.n, self.n), -1, np.int32),
            np.full((customers.n, self.n), -np.inf, np.float32),
            [""] * customers.n,
        )
        for name in self.placements:
            waiting = np.array([row for row, strategy in enumerate(result.strategies) if not strategy], np.int64)
            if not len(waiting):
                break
            for strategy, rows, scores in self._score(name, known, waiting):
                excluded = self._exclude(name, known, rows)
                for effects, group in group_by_rules(known.rule_effects, rows):
                    self._fill(result, strategy, rows[group], scores[group], excluded[group], effects)
        return result

    def _fill(
        self,
        result: BatchRecommendations,
        strategy: str,
        rows: npt.NDArray[np.int64],
        scores: Values | csr_array,
        excluded: csr_array,
        rule_effects: RuleEffects | None,
    ) -> None:
        """Write the best allowed products of customers to whom the same rules apply into ``result``."""
        allowed = self.allowed
        if rule_effects is not None and rule_effects.allowed is not None:
            allowed = allowed & rule_effects.allowed
        pins = rule_effects.pins if rule_effects is not None else ()
        factors = None
        if strategy not in UNWEIGHTED_PLACEMENTS:
            factors = self.state.rules.combine_factors(self.scenario, rule_effects)
        ranking = top_n(
            apply_batch_factors(scores, factors), self.n + len(pins), allowed=allowed[: self.n_items], exclude=excluded
        )
        filled = np.flatnonzero(ranking.items[:, 0] >= 0)
        for position in filled.tolist():
            result.strategies[int(rows[position])] = strategy
        if not pins:
            result.items[rows[filled]], result.scores[rows[filled]] = ranking.items[filled], ranking.scores[filled]
            return
        for position in filled.tolist():
            row, is_item = rows[position], ranking.items[position] >= 0
            own_allowed = allowed.copy()
            own_allowed[excluded[[position], :].indices] = False
            pinned = apply_to_ranking(
                rows=ranking.items[position][is_item],
                scores=ranking.scores[position][is_item],
                pins=pins,
                allowed=own_allowed,
                n=self.n,
            )
            result.items[row, : len(pinned.rows)] = pinned.rows
            result.scores[row, : len(pinned.rows)] = pinned.scores
            result.items[row, len(pinned.rows) :] = -1

    def _score(
        self, name: str, known: BlockState, waiting: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """Return (strategy, customers, scores) of the customers that the placement has scores for."""
        lengths = np.diff(known.histories.indptr)
        with_history = waiting[lengths[waiting] > 0]
        if name == FOR_YOU:
            return [
                *self._score_for_you(known, with_history),
                *self._score_cold_start(known, waiting[lengths[waiting] == 0]),
            ]
        if name == BUY_AGAIN:
            return self._score_buy_again(known, with_history)
        scores = self._score_static(name)
        return [(name, waiting, np.tile(scores, (len(waiting), 1)))] if scores is not None else []

    def _score_for_you(
        self, known: BlockState, rows: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """Score with the weighted ensemble, as a request does.

        Customers without a purchase whom only popularity scores get the ensemble that can start from any product.
        """
        visit = self.model.visit_blend
        is_unscored = np.zeros(len(rows), np.bool_)
        bought = np.diff(known.histories.get_seen_items([PURCHASE]).indptr) > 0
        guests = ~bought[rows]
        if visit is not None and guests.any():
            own = remove_popularity(self.model.blend)
            selected = own.score(select_histories(known.histories, rows[guests])) if own is not None else None
            is_unscored[guests] = compute_row_maxima(selected) <= 0 if selected is not None else True
        parts: list[tuple[WeightedEnsemble, npt.NDArray[np.int64]]] = [(self.model.blend, rows[~is_unscored])]
        if visit is not None:
            parts.append((visit, rows[is_unscored]))
        return [
            (self.model.algorithm, some, blend.score(select_histories(known.histories, some)))
            for blend, some in parts
            if len(some)
        ]

    def _score_cold_start(
        self, known: BlockState, rows: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """Score customers without a history by their traits; skip those whose traits make no difference or who opted out."""
        newcomers = self.model.cold_start
        rows = rows[~known.opted_out[rows]]
        if newcomers is None or not len(rows):
            return []
        names = known.customers.list_names_by_customer()
        codes = [sorted(set(newcomers.find_trait_codes(names[row]))) for row in rows.tolist()]
        indptr = np.concatenate([[0], np.cumsum([len(own_codes) for own_codes in codes])])
        flat = np.array([code for own_codes in codes for code in own_codes], np.int32)
        has = make_csr(np.ones(len(flat)), flat, indptr, (len(rows), len(newcomers.model.lifts_.values_)))
        arrivals = NewVisitors(has, newcomers.model.landings_.rows([""] * len(rows)))
        touched = newcomers.model.touches(arrivals)
        if not touched.any():
            return []
        some = NewVisitors(arrivals.has[touched], arrivals.landing[touched])
        return [(COLD_START, rows[touched], newcomers.model.score(some))]

    def _score_buy_again(
        self, known: BlockState, rows: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """Score only products that the customer bought before and that have a positive score."""
        blend = self._get_blend(BUY_AGAIN)
        if blend is None or not len(rows):
            return []
        histories = select_histories(known.histories, rows)
        own = histories.get_seen_items([PURCHASE])
        own.sum_duplicates()
        scores = blend.score(histories)
        person = np.repeat(np.arange(len(rows)), np.diff(own.indptr))
        own.data = np.asarray(scores[person, own.indices], np.float32).ravel()
        own.data[~(own.data > 0)] = -np.inf
        return [(BUY_AGAIN, rows, own)]

    def _score_static(self, name: str) -> Values | None:
        """Return scores that are the same for all customers; None if the model has none for the placement."""
        if name not in self._static_scores:
            scores = np.full(self.n_items, -np.inf, np.float32)
            if name == NEW:
                newest = self.state.products.get_newest_rows()
                newest = newest[newest < self.n_items]
                scores[newest] = score_by_rank(len(newest))
            elif (blend := self._get_blend(name)) is not None:
                selected = blend.score(self.model.build_product_history(np.empty(0, np.int32)))
                scores = (selected.toarray() if isinstance(selected, csr_array) else selected)[0].astype(np.float32)
            self._static_scores[name] = scores
        return self._static_scores[name] if np.isfinite(self._static_scores[name]).any() else None

    def _get_blend(self, name: str) -> WeightedEnsemble | None:
        if name == FOR_YOU:
            return self.model.blend
        weights = self.state.placements[name].weights or self.model.scenarios.get(name, {}).get("weights")
        return select_components(self.model.blend, weights or PLACEMENTS[name].weights)

    def _exclude(self, name: str, known: BlockState, rows: npt.NDArray[np.int64]) -> csr_array:
        """Return the products that must not be shown: dismissed, or bought where purchases are not shown again."""
        dismissed, bought = known.dismissed[rows], self.state.placements[name].purchased_products
        histories = select_histories(known.histories, rows)
        if name == BUY_AGAIN:
            return dismissed
        if bought == PurchasedProducts.AUTO and self.model.exclude_seen:
            return union_columns(dismissed, histories.get_seen_items(self.model.seen_kinds))
        if bought == PurchasedProducts.HIDE:
            return union_columns(dismissed, histories.get_seen_items([PURCHASE]))
        return dismissed


def list_fallback_chain(loaded: ServingState, scenario: str) -> list[str]:
    """Return the placement and its fallbacks, each once, ending with popular."""
    names: list[str] = []
    name: str | None = scenario
    while name is not None and name not in names:
        names.append(name)
        name = loaded.placements[name].get_fallback()
    return [*names, POPULAR] if POPULAR not in names else names


def group_by_rules(
    rule_effects: Sequence[RuleEffects | None], rows: npt.NDArray[np.int64]
) -> list[tuple[RuleEffects | None, npt.NDArray[np.int64]]]:
    """Return the positions in ``rows`` of customers to whom the same rules apply, by rules."""
    groups: dict[int, list[int]] = {}
    for position, row in enumerate(rows.tolist()):
        groups.setdefault(id(rule_effects[row]), []).append(position)
    return [(rule_effects[int(rows[positions[0]])], np.array(positions, np.int64)) for positions in groups.values()]


def apply_batch_factors(scores: Values | csr_array, factors: Values | None) -> Values | csr_array:
    """Return the scores multiplied by the factors of rules, margin and stock; missing scores stay missing."""
    if factors is None:
        return scores
    if isinstance(scores, csr_array):
        selected = apply_factors(scores=scores.data, factors=factors[scores.indices])
        return make_csr(selected, scores.indices, scores.indptr, scores.shape)
    return apply_factors(scores=scores, factors=factors[: scores.shape[1]]).astype(np.float32)


def load_block(
    loaded: ServingState, model: ServingModel, customers: CustomerBlock, *, scenario: str, now: datetime
) -> BlockState:
    """Return the histories that a request would use, in the order of the customers; empty for those who opted out."""
    opted_out = np.zeros(customers.n, np.bool_)
    if len(customers.names) and len(loaded.suppressions.hashes):
        hashes = np.fromiter((hash_name(name) for name in customers.names), np.uint64, len(customers.names))
        opted_out[customers.owner[np.isin(hashes, loaded.suppressions.hashes)]] = True
    pairs = find_user_rows(model, customers)
    pairs = pairs[~opted_out[pairs[:, 0]]]
    rule_effects = [
        loaded.rules.apply(scenario=scenario, names=[] if is_hidden else names, now=now)
        for names, is_hidden in zip(customers.list_names_by_customer(), opted_out.tolist(), strict=True)
    ]
    histories = build_histories(model, pairs, customers.n, now=now.timestamp())
    return BlockState(customers, histories, opted_out, build_dismissed_matrix(model, pairs, customers.n), rule_effects)


def find_user_rows(model: ServingModel, customers: CustomerBlock) -> npt.NDArray[np.int64]:
    """Return (customer, user row of the model) pairs, shape (m, 2), sorted and distinct."""
    names, parts = list(customers.names), []
    maps = [(model.identifiers, model.identifier_user)]
    if model.refreshed is not None:
        maps.append((model.refreshed.identifiers, model.refreshed.identifier_user))
    for identifiers, users in maps:
        rows = identifiers.rows(names) if names else np.empty(0, np.int32)
        is_known = rows >= 0
        owners, known_rows = customers.owner[is_known], rows[is_known]
        parts.append(np.stack([owners.astype(np.int64), users[known_rows].astype(np.int64)], axis=1))
    pairs = np.concatenate(parts)
    pairs = pairs[pairs[:, 1] >= 0]
    return np.unique(pairs, axis=0)


def build_histories(model: ServingModel, pairs: npt.NDArray[np.int64], n: int, *, now: float) -> Histories:
    """Return one history per customer, oldest first: interactions from the training and from its newest refresh."""
    trained = pairs[pairs[:, 1] < model.n_trained]
    columns = [
        select_interactions(
            trained,
            model.history_indptr,
            (model.history_item, model.history_order, model.history_weight, model.history_kind),
        )
    ]
    if model.refreshed is not None:
        selected = pairs[pairs[:, 1] < len(model.refreshed.indptr) - 1]
        columns.append(select_interactions(selected, model.refreshed.indptr, tuple(model.refreshed.columns)))
    owner, item, order, weight, kind = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    in_order = np.lexsort((order, owner))
    user = np.full(n, -1, np.int32)
    alone, first, times = np.unique(trained[:, 0], return_index=True, return_counts=True)
    user[alone[times == 1]] = trained[first[times == 1], 1]
    return Histories(
        indptr=np.searchsorted(owner[in_order], np.arange(n + 1)).astype(np.int64),
        item=item[in_order].astype(np.int32),
        order=order[in_order],
        weight=weight[in_order],
        kind=kind[in_order],
        user=user,
        n_items=len(model.items),
        as_of=max(model.as_of, now),
    )


def select_interactions(
    pairs: npt.NDArray[np.int64], indptr: npt.NDArray[np.int64], columns: tuple[npt.NDArray, ...]
) -> tuple[npt.NDArray, ...]:
    """Return the customer of each interaction of these users, and its entry in every column."""
    low, high = indptr[pairs[:, 1]], indptr[pairs[:, 1] + 1]
    lengths = high - low
    positions = np.arange(lengths.sum()) + np.repeat(low - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    positions = positions.astype(np.int64)
    return (np.repeat(pairs[:, 0], lengths), *(np.asarray(column[positions]) for column in columns))


def build_dismissed_matrix(model: ServingModel, pairs: npt.NDArray[np.int64], n: int) -> csr_array:
    """Return the products that each customer dismissed, shape (n, items)."""
    if model.dismissed is None:
        return make_csr(np.empty(0), np.empty(0, np.int32), np.zeros(n + 1), (n, len(model.items)))
    indptr, item = model.dismissed
    owner, rows = select_interactions(pairs[pairs[:, 1] < len(indptr) - 1], indptr, (item,))
    return make_csr(np.ones(len(rows)), rows, np.searchsorted(owner, np.arange(n + 1)), (n, len(model.items)))


def select_histories(histories: Histories, rows: npt.NDArray[np.int64]) -> Histories:
    """Return the histories of some rows."""
    if len(rows) == len(histories):
        return histories
    pairs = np.stack([np.arange(len(rows)), rows], axis=1)
    columns = (histories.item, histories.order, histories.weight, histories.kind)
    _owner, item, order, weight, kind = select_interactions(pairs, histories.indptr, columns)
    lengths = np.diff(histories.indptr)[rows]
    return Histories(
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=item,
        order=order,
        weight=weight,
        kind=kind,
        user=histories.user[rows],
        n_items=histories.n_items,
        as_of=histories.as_of,
    )


def remove_popularity(blend: WeightedEnsemble) -> WeightedEnsemble | None:
    """Return the ensemble without the components that are the same for all customers; None if nothing is left."""
    shares = {
        name: share for name, share in blend.shares().items() if not isinstance(blend.components_[name], Popularity)
    }
    return select_components(blend, shares)


def compute_row_maxima(scores: Values | csr_array) -> Values:
    """Return the largest score of each row; -inf for a row without scores."""
    dense = scores.toarray() if isinstance(scores, csr_array) else scores
    return np.asarray(dense.max(axis=1, initial=-np.inf), np.float32)


def union_columns(first: csr_array, second: csr_array) -> csr_array:
    """Return the union of the stored columns of each row; the values have no meaning."""
    both = first + second
    return make_csr(np.ones(both.nnz), both.indices, both.indptr, both.shape)
