"""Online scorer of algorithms that score only the items of the history itself."""

from collections.abc import Callable
from dataclasses import dataclass

from config.foundation.array_types import Rows
from recommendations.engine.online.context import ComponentScores, HistoryContext, Values


@dataclass(frozen=True, eq=False)
class OwnItemsScorer:
    """score_items: context → scores of items of the history, each due to that item alone."""

    score_items: Callable[[HistoryContext], tuple[Rows, Values]]
    width: int = 0

    def score(self, context: HistoryContext) -> ComponentScores:
        return ComponentScores(*self.score_items(context))

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        columns = context.work.columns[scores.rows]
        is_explained = columns >= 0
        out[context.work.slots[scores.rows[is_explained]], columns[is_explained]] += scores.values[is_explained]
