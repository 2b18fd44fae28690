"""Online scorer of linear algorithms: the scores are the history's weights times a sparse matrix."""

from collections.abc import Callable
from dataclasses import dataclass

from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine.online.context import ComponentScores, HistoryContext, SparseRow, Values
from recommendations.engine.online.kernels import add_linear_contributions


@dataclass(frozen=True, eq=False)
class LinearScorer:
    """scores = h · M. weigh: context → items of the history and h; row_of_item: the row of M of each item, None for its own."""

    matrix: csr_array
    weigh: Callable[[HistoryContext], SparseRow]
    row_of_item: Rows | None = None
    width: int = 0

    def score(self, context: HistoryContext) -> ComponentScores:
        items, weights = self.weigh(context)
        rows = items if self.row_of_item is None else self.row_of_item[items]
        return ComponentScores(*context.work.multiply(rows, weights, self.matrix), (items, rows, weights))

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        items, matrix_rows, weights = scores.memo
        matrix, work = self.matrix, context.work
        add_linear_contributions(
            items, matrix_rows, weights, 1.0, work.slots, matrix.indptr, matrix.indices, matrix.data, work.columns, out
        )
