"""Input and output of every online scorer: the workspace of a thread, the context of one history, and component scores."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.neighbors.session_search_kernels import make_session_table
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.weighting import DAY, ENTRYWISE
from recommendations.engine.online.kernels import clear_sums, multiply_row, sum_history

type Values = npt.NDArray[np.float32]
type SparseRow = tuple[Rows, Values]

RAW, BINARY = "raw", "binary"


class Workspace:
    """Arrays that one thread reuses for one history after the other; clean in between.

    n: number of catalog rows. width: the longest array a scorer needs where that is more than n. `total`, `touched` and `order[:count]`
    contain the ensemble's scores, the rows with a score and their order; `part*` are scratch arrays of one component. slots: item →
    its slot among the history's items. columns: row → its column among the rows being explained, -1 for all others.
    """

    def __init__(self, n: int, width: int = 0) -> None:
        self.n = n
        self.total = np.zeros(n, np.float32)
        self.touched = np.zeros(n, np.bool_)
        self.order = np.empty(n, np.int32)
        self.count = 0
        self.part = np.zeros(max(n, width), np.float32)
        self.part_touched = np.zeros(max(n, width), np.bool_)
        self.part_order = np.empty(max(n, width), np.int32)
        self.slots = np.zeros(n, np.int32)
        self.columns = np.full(n, -1, np.int32)
        self._session_table: tuple[int, tuple[npt.NDArray[Any], ...]] | None = None

    def get_session_table(self, entries: int) -> tuple[npt.NDArray[Any], ...]:
        """Return the hash table of `make_session_table`, made once per size."""
        if self._session_table is None or self._session_table[0] != entries:
            self._session_table = (entries, make_session_table(entries))
        return self._session_table[1]

    def clear(self) -> None:
        """Set the scores back to 0, touching only the rows that have one."""
        clear_sums(self.total, self.touched, self.order, self.count)
        self.count = 0

    def multiply(self, rows: Rows, weights: Values, matrix: csr_array) -> SparseRow:
        """Return a sparse row times a matrix."""
        return multiply_row(
            rows, weights, matrix.indptr, matrix.indices, matrix.data, self.part, self.part_touched, self.part_order
        )


class HistoryContext:
    """One history and its summed weights, each computed once for all scorers that share parameters."""

    def __init__(self, history: Histories, work: Workspace) -> None:
        self.history = history
        self.work = work
        # Components of an ensemble often share the half-life and the weighting.
        self._sums: dict[tuple[float | None, str, float | None], SparseRow] = {}

    def sum_weights(self, half_life_days: float | None, weighting: str, recency: float | None = None) -> SparseRow:
        """Return distinct items and their summed weights, aged by the half-life and by `recency` per moment back from the newest."""
        key = (half_life_days, weighting, recency)
        if key not in self._sums:
            history, work = self.history, self.work
            self._sums[key] = sum_history(
                history.item, history.weight, history.order, history.as_of,
                (half_life_days or 0.0) * DAY, -1.0 if recency is None else recency, ENTRYWISE.index(weighting),
                work.part, work.part_touched, work.part_order,
            )  # fmt: skip
        return self._sums[key]


@dataclass(frozen=True, slots=True)
class SummedWeights:
    """The weights of a history that a linear scorer multiplies: those of `HistoryContext.sum_weights` with these parameters."""

    half_life_days: float | None
    weighting: str
    recency: float | None = None

    def __call__(self, context: HistoryContext) -> SparseRow:
        return context.sum_weights(self.half_life_days, self.weighting, self.recency)


class ComponentScores(NamedTuple):
    """Rows and their scores by one component; `memo`: intermediate results for its own `attribute`."""

    rows: Rows
    values: Values
    memo: Any = None


NO_SCORES = ComponentScores(np.empty(0, np.int32), np.empty(0, np.float32))


class OnlineScorer(Protocol):
    """Scores one history as its algorithm scores a batch. width: length of the scratch arrays where it exceeds the catalog."""

    @property
    def width(self) -> int: ...

    def score(self, context: HistoryContext) -> ComponentScores:
        """Return the rows that have a score; a row without one scores 0."""

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        """Add to out[slot of a history item, column of a row] the part of the row's score that is due to the item.

        The workspace maps items to slots and rows to columns. The last slot is for contributions that no single item causes. Scores are
        those before normalization.
        """


def get_positive_entries(scores: npt.NDArray[np.float32] | csr_array) -> SparseRow:
    """Return the stored entries of a single CSR row, or the positive ones of a dense row."""
    if isinstance(scores, csr_array):
        return scores.indices, scores.data
    row = np.asarray(scores[0], np.float32)
    rows = np.flatnonzero(np.isfinite(row) & (row > 0)).astype(np.int32)
    return rows, row[rows]
