"""Recommendations for many people at once: histories, scores and exclusions in blocks, with the model and the places as requests find them.

Rules of the merchandiser hold for each as they do in a request. What differs: what happened since the newest refresh is not known, no
product is tried, none changes places, and no reasons are selected.
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
    """names: "kind:value" of everybody; owner: whose they are, 0 … n − 1."""

    n: int
    names: Sequence[str]
    owner: Rows

    def list_names_by_customer(self) -> list[list[str]]:
        found: list[list[str]] = [[] for _person in range(self.n)]
        for name, owner in zip(self.names, self.owner.tolist(), strict=True):
            found[owner].append(name)
        return found

    def slice(self, start: int, stop: int) -> "CustomerBlock":
        """Some of them, numbered from 0 again; ``owner`` is sorted."""
        first, last = np.searchsorted(self.owner, [start, stop])
        return CustomerBlock(
            min(stop, self.n) - start, self.names[first:last], self.owner[first:last] - np.int32(start)
        )


@dataclass
class BatchRecommendations:
    """items: int32 (n, k) rows of the model, -1 where there was nothing more; strategy: of each person, "" for nobody chosen for."""

    items: Rows
    scores: Values
    strategies: list[str] = field(default_factory=list)


class BlockState(NamedTuple):
    """What the model knows of a block of people."""

    customers: CustomerBlock
    histories: Histories
    opted_out: npt.NDArray[np.bool_]
    dismissed: csr_array
    rule_effects: list[RuleEffects | None]


class BatchRecommender:
    """Everything about a place that is the same for all."""

    def __init__(self, *, loaded: ServingState, scenario: str, n: int, now: datetime) -> None:
        """Errors: WrongScenarioError, NoModelYetError."""
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

    def recommend(self, people: CustomerBlock) -> BatchRecommendations:
        """The best for each, in blocks whose scores fit into memory."""
        parts = [
            self._recommend_block(people.slice(start, start + self.block)) for start in range(0, people.n, self.block)
        ]
        if not parts:
            return BatchRecommendations(np.empty((0, self.n), np.int32), np.empty((0, self.n), np.float32))
        return BatchRecommendations(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            [strategy for part in parts for strategy in part.strategies],
        )

    def _recommend_block(self, people: CustomerBlock) -> BatchRecommendations:
        known = load_block(self.state, self.model, people, scenario=self.scenario, now=self.now)
        chosen = BatchRecommendations(
            np.full((people.n, self.n), -1, np.int32),
            np.full((people.n, self.n), -np.inf, np.float32),
            [""] * people.n,
        )
        for name in self.placements:
            waiting = np.array([place for place, strategy in enumerate(chosen.strategies) if not strategy], np.int64)
            if not len(waiting):
                break
            for strategy, rows, scores in self._score(name, known, waiting):
                barred = self._exclude(name, known, rows)
                for applied, places in group_by_rules(known.rule_effects, rows):
                    self._fill(chosen, strategy, rows[places], scores[places], barred[places], applied)
        return chosen

    def _fill(
        self,
        chosen: BatchRecommendations,
        strategy: str,
        rows: npt.NDArray[np.int64],
        scores: Values | csr_array,
        barred: csr_array,
        applied: RuleEffects | None,
    ) -> None:
        """The best of what the filters and rules let through for people for whom the same rules hold."""
        allowed = self.allowed if applied is None or applied.allowed is None else self.allowed & applied.allowed
        pins = applied.pins if applied is not None else ()
        factors = (
            self.state.rules.combine_factors(self.scenario, applied) if strategy not in UNWEIGHTED_PLACEMENTS else None
        )
        ranking = top_n(
            apply_batch_factors(scores, factors), self.n + len(pins), allowed=allowed[: self.n_items], exclude=barred
        )
        found = np.flatnonzero(ranking.items[:, 0] >= 0)
        for place in found.tolist():
            chosen.strategies[int(rows[place])] = strategy
        if not pins:
            chosen.items[rows[found]], chosen.scores[rows[found]] = ranking.items[found], ranking.scores[found]
            return
        for place in found.tolist():
            kept = ranking.items[place] >= 0
            own = allowed.copy()
            own[barred[[place], :].indices] = False
            placed = apply_to_ranking(
                rows=ranking.items[place][kept], scores=ranking.scores[place][kept], pins=pins, allowed=own, n=self.n
            )
            chosen.items[rows[place], : len(placed.rows)] = placed.rows
            chosen.scores[rows[place], : len(placed.rows)] = placed.scores
            chosen.items[rows[place], len(placed.rows) :] = -1

    def _score(
        self, name: str, known: BlockState, waiting: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """By strategy: people and their scores."""
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
        """The blend; of visits that only popularity says anything of, what any product can start, as in a request."""
        visit = self.model.visit_blend
        lost = np.zeros(len(rows), np.bool_)
        bought = np.diff(known.histories.seen([PURCHASE]).indptr) > 0
        guests = ~bought[rows]
        if visit is not None and guests.any():
            own = remove_popularity(self.model.blend)
            selected = own.score(select_histories(known.histories, rows[guests])) if own is not None else None
            lost[guests] = row_maxima(selected) <= 0 if selected is not None else True
        parts: list[tuple[WeightedEnsemble, npt.NDArray[np.int64]]] = [(self.model.blend, rows[~lost])]
        if visit is not None:
            parts.append((visit, rows[lost]))
        return [
            (self.model.algorithm, some, blend.score(select_histories(known.histories, some)))
            for blend, some in parts
            if len(some)
        ]

    def _score_cold_start(
        self, known: BlockState, rows: npt.NDArray[np.int64]
    ) -> list[tuple[str, npt.NDArray[np.int64], Values | csr_array]]:
        """By their traits, of those whose traits make a difference; of whoever refuses nothing is asked."""
        newcomers = self.model.cold_start
        rows = rows[~known.opted_out[rows]]
        if newcomers is None or not len(rows):
            return []
        names = known.customers.list_names_by_customer()
        codes = [sorted(set(newcomers.find_trait_codes(names[row]))) for row in rows.tolist()]
        indptr = np.concatenate([[0], np.cumsum([len(one) for one in codes])])
        flat = np.array([code for one in codes for code in one], np.int32)
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
        """Nothing but what each has bought before, and that only where the place's parts say something for it."""
        blend = self._get_blend(BUY_AGAIN)
        if blend is None or not len(rows):
            return []
        histories = select_histories(known.histories, rows)
        own = histories.seen([PURCHASE])
        own.sum_duplicates()
        scores = blend.score(histories)
        person = np.repeat(np.arange(len(rows)), np.diff(own.indptr))
        own.data = np.asarray(scores[person, own.indices], np.float32).ravel()
        own.data[~(own.data > 0)] = -np.inf
        return [(BUY_AGAIN, rows, own)]

    def _score_static(self, name: str) -> Values | None:
        """Scores that nobody's history changes; None where the model has nothing for the place."""
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
        """What each may not be shown in a place: dismissed, and bought where that is not to be shown again."""
        dismissed, bought = known.dismissed[rows], self.state.placements[name].purchased_products
        histories = select_histories(known.histories, rows)
        if name == BUY_AGAIN:
            return dismissed
        if bought == PurchasedProducts.AUTO and self.model.exclude_seen:
            return union_columns(dismissed, histories.seen(self.model.seen_kinds))
        if bought == PurchasedProducts.HIDE:
            return union_columns(dismissed, histories.seen([PURCHASE]))
        return dismissed


def list_fallback_chain(loaded: ServingState, scenario: str) -> list[str]:
    """The place and those that take over, each once; what is popular at the end."""
    names: list[str] = []
    name: str | None = scenario
    while name is not None and name not in names:
        names.append(name)
        name = loaded.placements[name].get_fallback()
    return [*names, POPULAR] if POPULAR not in names else names


def group_by_rules(
    applied: Sequence[RuleEffects | None], rows: npt.NDArray[np.int64]
) -> list[tuple[RuleEffects | None, npt.NDArray[np.int64]]]:
    """Places in ``rows`` of the people for whom the same rules hold."""
    groups: dict[int, list[int]] = {}
    for place, row in enumerate(rows.tolist()):
        groups.setdefault(id(applied[row]), []).append(place)
    return [(applied[int(rows[places[0]])], np.array(places, np.int64)) for places in groups.values()]


def apply_batch_factors(scores: Values | csr_array, factors: Values | None) -> Values | csr_array:
    """By what rules, margin and stock make of them; what nothing speaks for stays so."""
    if factors is None:
        return scores
    if isinstance(scores, csr_array):
        selected = apply_factors(scores=scores.data, factors=factors[scores.indices])
        return make_csr(selected, scores.indices, scores.indptr, scores.shape)
    return apply_factors(scores=scores, factors=factors[: scores.shape[1]]).astype(np.float32)


def load_block(
    loaded: ServingState, model: ServingModel, people: CustomerBlock, *, scenario: str, now: datetime
) -> BlockState:
    """Histories as a request would start from, in the order of the people; of whoever refuses or is withheld nothing."""
    refused = np.zeros(people.n, np.bool_)
    if len(people.names) and len(loaded.suppressions.hashes):
        hashes = np.fromiter((hash_name(name) for name in people.names), np.uint64, len(people.names))
        refused[people.owner[np.isin(hashes, loaded.suppressions.hashes)]] = True
    pairs = find_user_rows(model, people)
    pairs = pairs[~refused[pairs[:, 0]]]
    applied = [
        loaded.rules.apply(scenario=scenario, names=[] if hidden else names, now=now)
        for names, hidden in zip(people.list_names_by_customer(), refused.tolist(), strict=True)
    ]
    histories = build_histories(model, pairs, people.n, now=now.timestamp())
    return BlockState(people, histories, refused, build_dismissed_matrix(model, pairs, people.n), applied)


def find_user_rows(model: ServingModel, people: CustomerBlock) -> npt.NDArray[np.int64]:
    """Pairs of a person and one of their rows in the model, (m, 2), sorted, none twice."""
    names, found = list(people.names), []
    maps = [(model.identifiers, model.identifier_user)]
    if model.refreshed is not None:
        maps.append((model.refreshed.identifiers, model.refreshed.identifier_user))
    for identifiers, users in maps:
        places = identifiers.rows(names) if names else np.empty(0, np.int32)
        there = places >= 0
        found.append(np.stack([people.owner[there].astype(np.int64), users[places[there]].astype(np.int64)], axis=1))
    pairs = np.concatenate(found)
    pairs = pairs[pairs[:, 1] >= 0]
    return np.unique(pairs, axis=0)


def build_histories(model: ServingModel, pairs: npt.NDArray[np.int64], n: int, *, now: float) -> Histories:
    """One history a person, oldest first: what the training has seen, and what its refresh brought."""
    trained = pairs[pairs[:, 1] < model.n_trained]
    columns = [
        select_lines(
            trained,
            model.history_indptr,
            (model.history_item, model.history_order, model.history_weight, model.history_kind),
        )
    ]
    if model.refreshed is not None:
        selected = pairs[pairs[:, 1] < len(model.refreshed.indptr) - 1]
        columns.append(select_lines(selected, model.refreshed.indptr, tuple(model.refreshed.lines)))
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


def select_lines(
    pairs: npt.NDArray[np.int64], indptr: npt.NDArray[np.int64], columns: tuple[npt.NDArray, ...]
) -> tuple[npt.NDArray, ...]:
    """The owner of each line of these users, and the columns' entries."""
    low, high = indptr[pairs[:, 1]], indptr[pairs[:, 1] + 1]
    lengths = high - low
    places = np.arange(lengths.sum()) + np.repeat(low - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    places = places.astype(np.int64)
    return (np.repeat(pairs[:, 0], lengths), *(np.asarray(column[places]) for column in columns))


def build_dismissed_matrix(model: ServingModel, pairs: npt.NDArray[np.int64], n: int) -> csr_array:
    if model.dismissed is None:
        return make_csr(np.empty(0), np.empty(0, np.int32), np.zeros(n + 1), (n, len(model.items)))
    indptr, item = model.dismissed
    owner, rows = select_lines(pairs[pairs[:, 1] < len(indptr) - 1], indptr, (item,))
    return make_csr(np.ones(len(rows)), rows, np.searchsorted(owner, np.arange(n + 1)), (n, len(model.items)))


def select_histories(histories: Histories, rows: npt.NDArray[np.int64]) -> Histories:
    """The histories of some of the people."""
    if len(rows) == len(histories):
        return histories
    pairs = np.stack([np.arange(len(rows)), rows], axis=1)
    columns = (histories.item, histories.order, histories.weight, histories.kind)
    _owner, item, order, weight, kind = select_lines(pairs, histories.indptr, columns)
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
    """What of a blend depends on who is asking."""
    shares = {
        name: share for name, share in blend.shares().items() if not isinstance(blend.components_[name], Popularity)
    }
    return select_components(blend, shares)


def row_maxima(scores: Values | csr_array) -> Values:
    """Of each row; -inf for one that nothing speaks for."""
    dense = scores.toarray() if isinstance(scores, csr_array) else scores
    return np.asarray(dense.max(axis=1, initial=-np.inf), np.float32)


def union_columns(one: csr_array, other: csr_array) -> csr_array:
    """The stored columns of both, row by row; values say nothing."""
    both = one + other
    return make_csr(np.ones(both.nnz), both.indices, both.indptr, both.shape)
