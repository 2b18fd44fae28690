"""Online scorer for algorithms without one of their own: it computes the batch score of a single history."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from config.foundation.array_types import Rows
from recommendations.engine.online.context import ComponentScores, HistoryContext, Values, get_positive_entries

if TYPE_CHECKING:
    from recommendations.engine.algorithms.base import Algorithm


@dataclass(frozen=True, eq=False)
class BatchScorer:
    """Scores one history as a batch of one."""

    component: "Algorithm"
    width: int = 0

    def score(self, context: HistoryContext) -> ComponentScores:
        return ComponentScores(*get_positive_entries(self.component.score(context.history)))

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        known = np.flatnonzero(rows < context.history.n_items)
        slots = context.work.slots
        for attribution in self.component.attribute(context.history, rows[known].tolist()):
            item_slots = np.where(attribution.items >= 0, slots[attribution.items], len(out) - 1)
            parts = np.zeros((len(item_slots), len(rows)), np.float32)
            parts[:, known] = attribution.parts
            np.add.at(out, item_slots, parts)
