"""Recommend products to many customers at once, in blocks, with the same model and placements as single requests.

Merchandising rules apply to each customer as in a request. Unlike a request: interactions since the newest refresh are
unknown, no new products are explored, nothing is rotated or diversified, and there are no reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU, NEW, POPULAR, TRENDING
from recommendations.engine.topn import count_block_rows, top_n
from recommendations.merchandising.rules.ranking import apply_factors, apply_to_ranking
from recommendations.merchandising.rules.rule_book import RuleEffects
from recommendations.serving.batch.customer_blocks import BlockState, CustomerBlock, load_block, select_histories
from recommendations.serving.batch.placement_scoring import PlacementScorer, PlacementScores, Values
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import PURCHASE
from recommendations.serving.state.product_index import ProductFilters
from recommendations.serving.state.settings import PurchasedProducts

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
    """items: int32 (n, k) model rows, padded with -1; strategies: one per customer, "" for a customer without products."""

    items: Rows
    scores: Values
    strategies: list[str] = field(default_factory=list)


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
        ranking = select_top_n(
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


def union_columns(first: csr_array, second: csr_array) -> csr_array:
    """Return the union of the stored columns of each row; the values have no meaning."""
    both = first + second
    return make_csr(np.ones(both.nnz), both.indices, both.indptr, both.shape)
