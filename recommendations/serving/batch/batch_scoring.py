"""Recommend products to many customers at once, as single requests would.

Merchandising rules apply to each customer as in a request. Unlike a request: interactions since the newest refresh are
unknown, no new products are explored, nothing is rotated or diversified, and there are no reasons. As in a request, a customer without
a purchase gets no product that only one person chose, and short lists are filled up with popular products.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _
from scipy.sparse import csr_array

from config.foundation.array_types import Flags, Rows
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU, NEW, POPULAR, TRENDING
from recommendations.engine.topn import Ranking, count_block_rows
from recommendations.engine.variety.ranking import expand_columns, merge_columns
from recommendations.merchandising.rules.ranking import apply_factors, apply_to_ranking
from recommendations.merchandising.rules.rule_book import RuleEffects
from recommendations.serving.batch.customer_blocks import BlockState, CustomerBlock, load_block, select_histories
from recommendations.serving.batch.list_fillers import count_usable, fill_up, list_fillers
from recommendations.serving.batch.list_limits import ListLimits
from recommendations.serving.batch.placement_scoring import PlacementScorer, PlacementScores, Values
from recommendations.serving.pipeline.context import COLD_START
from recommendations.serving.pipeline.fallback import list_catalog_rows
from recommendations.serving.pipeline.rerank import EARLY_FILLED_PLACEMENTS, FILLED_PLACEMENTS
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import NO_ROWS, PURCHASE
from recommendations.serving.state.product_index import ProductFilters

UNWEIGHTED_PLACEMENTS = (NEW,)  # ranks
BATCH_PLACEMENTS = (FOR_YOU, BUY_AGAIN, POPULAR, TRENDING, NEW)


class UnsupportedPlacementError(ValueError):
    """A placement whose recommendations cannot be computed in advance."""

    def __init__(self, scenario: str) -> None:
        message = _("Placement %(given)s cannot be exported; valid: %(valid)s.")
        super().__init__(message % {"given": repr(scenario), "valid": ", ".join(BATCH_PLACEMENTS)})


class NoActiveModelError(Exception):
    """No model has been trained and promoted yet."""

    def __init__(self) -> None:
        super().__init__(
            _("No model is active yet. Run `manage.py train` or wait for the nightly training, then start again.")
        )


@dataclass
class BatchRecommendations:
    """The recommendations of n customers.

    items: int32 (n, k) rows of products, padded with -1. strategies: one per customer, "" for a customer without products.
    """

    items: Rows
    scores: Values
    strategies: list[str] = field(default_factory=list)


class PlacementLists(NamedTuple):
    """What lists of one placement have in common.

    hides_rare: whether products that only one person chose are left out, as in a request of a visitor without purchases: the list would
    reveal what that customer bought.
    """

    placement: str
    rule_effects: RuleEffects | None
    hides_rare: bool


class BatchRecommender:
    """Recommends one placement to many customers.

    Holds everything that is the same for all of them.
    """

    def __init__(self, *, state: ServingState, scenario: str, n: int, now: datetime) -> None:
        """Errors: UnsupportedPlacementError, NoActiveModelError."""
        if scenario not in BATCH_PLACEMENTS:
            raise UnsupportedPlacementError(scenario)
        if state.model is None or state.blends is None:
            raise NoActiveModelError
        self.state, self.model, self.scenario, self.n, self.now = state, state.model, scenario, n, now
        self.n_items = len(self.model.items)
        self.allowed = state.products.get_mask(ProductFilters(priced=True))
        self.recommendable = state.products.get_mask(ProductFilters(priced=True, sold=True))
        self.placements = [
            name
            for name in list_fallback_chain(state, scenario)
            if name in BATCH_PLACEMENTS and name not in state.blends.switched_off
        ]
        self.scorer = PlacementScorer(state, state.model)
        self.block_size = count_block_rows(max(map(self.scorer.count_columns, self.placements), default=self.n_items))
        self.filled_placements = EARLY_FILLED_PLACEMENTS if state.products.is_early else FILLED_PLACEMENTS

    def recommend(self, customers: CustomerBlock) -> BatchRecommendations:
        """Return the best products of each customer, in blocks whose scores fit into memory."""
        parts = [
            self._recommend_block(customers.slice(start, start + self.block_size))
            for start in range(0, customers.n, self.block_size)
        ]
        if not parts:
            return BatchRecommendations(np.empty((0, self.n), np.int32), np.empty((0, self.n), np.float32))
        return BatchRecommendations(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            [strategy for part in parts for strategy in part.strategies],
        )

    def _recommend_block(self, customers: CustomerBlock) -> BatchRecommendations:
        block = load_block(self.state, self.model, customers, scenario=self.scenario, now=self.now)
        result = BatchRecommendations(
            np.full((customers.n, self.n), -1, np.int32),
            np.full((customers.n, self.n), -np.inf, np.float32),
            [""] * customers.n,
        )
        # customers whom a placement leaves without products go on to its fallback
        for placement in self.placements:
            waiting = np.array([row for row, strategy in enumerate(result.strategies) if not strategy], np.int64)
            if not len(waiting):
                break
            for scored in self.scorer.score(placement, block, waiting):
                limits = self._find_limits(placement, block, scored.rows)
                is_guest = np.diff(limits.purchased.indptr) == 0
                hides_rare = is_guest & (placement == FOR_YOU and scored.strategy != COLD_START)
                for effects, group in group_by_rules(block.rule_effects, scored.rows, hides_rare):
                    part = PlacementScores(scored.strategy, scored.rows[group], scored.scores[group])
                    lists = PlacementLists(placement, effects, hides_rare=bool(hides_rare[group[0]]))
                    self._fill(result, part, limits.select(group), lists, block)
        return result

    def _fill(
        self,
        result: BatchRecommendations,
        scored: PlacementScores,
        limits: ListLimits,
        lists: PlacementLists,
        block: BlockState,
    ) -> None:
        """Write the best allowed products of customers to whom the same rules apply into ``result``.

        Products that were never sold appear only in the placement of new products, or if pinned.
        """
        (strategy, rows, scores), rule_effects, allowed = scored, lists.rule_effects, self.allowed
        if rule_effects is not None and rule_effects.allowed is not None:
            allowed = allowed & rule_effects.allowed
        ranked = allowed if lists.placement == NEW else allowed & self.recommendable
        if lists.hides_rare:
            ranked = ranked & self.state.reason_support.find_chosen_by_several(len(ranked))
        pins = rule_effects.pins if rule_effects is not None else ()
        factors = None
        if strategy not in UNWEIGHTED_PLACEMENTS:
            factors = self.state.rules.combine_factors(self.scenario, rule_effects)
        # pinned products are taken out of the ranking, which therefore needs that many more
        weighted, ranked = apply_batch_factors(scores, factors), ranked[: scores.shape[1]]
        ranking = limits.rank(weighted, self.n + len(pins), allowed=ranked)
        if lists.placement in self.filled_placements:
            ranking = self._fill_up(ranking, limits, rows, block, rule_effects)
        filled = np.flatnonzero(ranking.items[:, 0] >= 0)
        for position in filled.tolist():
            result.strategies[int(rows[position])] = strategy
        if not pins:
            result.items[rows[filled]], result.scores[rows[filled]] = ranking.items[filled], ranking.scores[filled]
            return
        for position in filled.tolist():
            row, is_item = rows[position], ranking.items[position] >= 0
            is_allowed = allowed.copy()
            is_allowed[limits.excluded[[position], :].indices] = False
            if limits.groups is not None:
                is_item &= ~limits.groups.are_variants(
                    ranking.items[position], [pin for _, pin in pins if is_allowed[pin]]
                )
            pinned = apply_to_ranking(
                rows=ranking.items[position][is_item],
                scores=ranking.scores[position][is_item],
                pins=pins,
                allowed=is_allowed,
                n=self.n,
            )
            result.items[row, : len(pinned.rows)] = pinned.rows
            result.scores[row, : len(pinned.rows)] = pinned.scores
            result.items[row, len(pinned.rows) :] = -1

    def _fill_up(
        self,
        ranking: Ranking,
        limits: ListLimits,
        rows: npt.NDArray[np.int64],
        block: BlockState,
        rule_effects: RuleEffects | None,
    ) -> Ranking:
        """Append popular products that are new to the customer to short lists; in a new shop, those of the catalog follow."""
        # a request looks for one more product, to see whether another page follows
        n_compared = ranking.items.shape[1] + 1
        use = count_usable(ranking, limits, n_compared=n_compared)
        if not len(use.find_short_lists(ranking)):
            return ranking
        allowed, catalog, scores = self.allowed, NO_ROWS, None
        if rule_effects is not None and rule_effects.allowed is not None:
            allowed = allowed & rule_effects.allowed
        if POPULAR in self.placements and (popular := self.scorer.score_static(POPULAR)) is not None:
            factors = self.state.rules.combine_factors(self.scenario, rule_effects)
            scores = popular if factors is None else apply_factors(scores=popular, factors=factors[: len(popular)])
        if self.state.products.is_early:
            catalog = list_catalog_rows(self.state.products)
            catalog = catalog[allowed[catalog]]
        recommendable = allowed & self.recommendable
        fillers = list_fillers(scores, catalog=catalog, recommendable=recommendable, groups=limits.groups)
        excluded = merge_columns(limits.excluded, self._find_limits(POPULAR, block, rows).excluded)
        limits = limits._replace(excluded=merge_columns(excluded, limits.seen))
        return fill_up(ranking, use, limits, fillers=fillers, n_compared=n_compared)

    def _find_limits(self, placement: str, block: BlockState, rows: npt.NDArray[np.int64]) -> ListLimits:
        """Return what limits the lists of these customers.

        Dismissed products and hidden purchases are excluded.
        """
        config, histories = self.state.placements[placement], select_histories(block.histories, rows)
        n_columns = self.scorer.count_columns(placement)
        excluded, seen = widen(block.dismissed[rows], n_columns), widen(histories.get_seen_items(), n_columns)
        kinds = [] if placement == BUY_AGAIN else config.get_hidden_kinds(self.model)
        if kinds != []:
            excluded = merge_columns(excluded, widen(histories.get_seen_items(kinds), n_columns))
        if placement == BUY_AGAIN:
            return ListLimits(excluded, seen, seen, share=1.0, groups=None)
        groups = self.state.groups if self.state.groups.has_groups else None
        return ListLimits(
            expand_columns(excluded, groups),
            widen(histories.get_seen_items([PURCHASE]), n_columns),
            seen,
            share=config.get_max_purchased_share(),
            groups=groups,
        )


def widen(columns: csr_array, n_columns: int) -> csr_array:
    """Return the same stored columns in a matrix with a number of columns that is not smaller."""
    shape = (columns.shape[0], n_columns)
    return columns if columns.shape == shape else make_csr(columns.data, columns.indices, columns.indptr, shape)


def list_fallback_chain(state: ServingState, scenario: str) -> list[str]:
    """Return the placement and its fallbacks, each once, ending with popular."""
    names: list[str] = []
    name: str | None = scenario
    while name is not None and name not in names:
        names.append(name)
        name = state.placements[name].get_fallback()
    return [*names, POPULAR] if POPULAR not in names else names


def group_by_rules(
    rule_effects: Sequence[RuleEffects | None], rows: npt.NDArray[np.int64], flags: Flags
) -> list[tuple[RuleEffects | None, npt.NDArray[np.int64]]]:
    """Return the positions in ``rows`` of customers to whom the same rules apply and that have the same flag, by rules and flag."""
    # the rule book returns the same object for customers in the same segments, so its identity is the key
    groups: dict[tuple[int, bool], list[int]] = {}
    for position, (row, flag) in enumerate(zip(rows.tolist(), flags.tolist(), strict=True)):
        groups.setdefault((id(rule_effects[row]), flag), []).append(position)
    return [(rule_effects[int(rows[positions[0]])], np.array(positions, np.int64)) for positions in groups.values()]


def apply_batch_factors(scores: Values | csr_array, factors: Values | None) -> Values | csr_array:
    """Return the scores multiplied by the factors of rules, margin and stock.

    Missing scores stay missing.
    """
    if factors is None:
        return scores
    if isinstance(scores, csr_array):
        weighted = apply_factors(scores=scores.data, factors=factors[scores.indices])
        return make_csr(weighted, scores.indices, scores.indptr, scores.shape)
    return apply_factors(scores=scores, factors=factors[: scores.shape[1]]).astype(np.float32)
