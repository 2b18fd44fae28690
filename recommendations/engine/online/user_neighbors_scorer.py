"""Online scorer of user-kNN: the nearest users of one history, and their items."""

from typing import TYPE_CHECKING

import numpy as np

from config.foundation.array_types import Rows
from recommendations.engine.linear_algebra.product_kernels import multiply_top_k
from recommendations.engine.online.context import NO_SCORES, ComponentScores, HistoryContext, Values
from recommendations.engine.online.kernels import add_neighbor_contributions

if TYPE_CHECKING:
    from recommendations.engine.algorithms.neighbors.user_knn import UserKNN


class UserNeighborsScorer:
    """Finds the nearest users once, for scores and contributions."""

    def __init__(self, component: "UserKNN") -> None:
        self.component = component
        self.width = 0
        self.k = max(1, min(component.k, component.rows_.shape[0]))

    def score(self, context: HistoryContext) -> ComponentScores:
        component, history = self.component, context.history
        items, weights = context.sum_weights(component.half_life_days, component.weighting)
        if not len(items):
            return NO_SCORES
        unit = weights * component.item_factors_[items].astype(np.float32)
        length = float(np.sqrt(np.square(unit, dtype=np.float64).sum()))
        if not length:
            return NO_SCORES
        unit = (unit / np.float32(length)).astype(np.float32)
        users = component.item_users_
        neighbors = np.empty((1, self.k), np.int32)
        values, count = np.empty((1, self.k), np.float32), np.zeros(1, np.int32)
        # The kernel of the batch on one row; without threads, which cost more than one history takes.
        multiply_top_k(
            np.array([0, len(items)], np.int32), items, unit, users.indptr, users.indices, users.data, users.shape[1],
            np.zeros(1, np.int32), history.user, np.float32(component.shrinkage), 1, neighbors, values, count,
        )  # fmt: skip
        nearest, similarities = neighbors[0, : count[0]], values[0, : count[0]]
        total = float(similarities.sum(dtype=np.float64))
        if not total > 0:
            return NO_SCORES
        shares = similarities * np.float32(1.0 / total)
        rows, scores = context.work.multiply(nearest, shares, component.rows_)
        return ComponentScores(rows, scores, (items, unit, nearest, shares))

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        if scores.memo is None:
            return
        items, unit, nearest, shares = scores.memo
        component, work = self.component, context.work
        history_values = work.part
        history_values[items] = unit
        add_neighbor_contributions(
            nearest, shares, component.rows_.indptr, component.rows_.indices, component.rows_.data,
            component.unit_rows_.indptr, component.unit_rows_.indices, component.unit_rows_.data,
            history_values, work.slots, work.columns, out,
        )  # fmt: skip
        history_values[items] = 0
