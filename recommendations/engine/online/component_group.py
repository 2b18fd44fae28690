"""Components of an ensemble that follow each other and are scored, and explained, in one call of compiled code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.weighting import DAY, ENTRYWISE
from recommendations.engine.linear_algebra.array_views import find_address
from recommendations.engine.online import component_kernels as kernels
from recommendations.engine.online.context import HistoryContext, OnlineScorer, SummedWeights, Values, Workspace
from recommendations.engine.online.linear_scorer import LinearScorer
from recommendations.engine.online.session_scorer import SessionScorer

NO_ENTRIES = 1  # of the hash table for a group without sessions


@dataclass(frozen=True, eq=False)
class ComponentLine:
    """One component: its integers and numbers, see `component_kernels`; arrays: those whose addresses are among the integers.

    entries: size of the hash table it needs.
    """

    integers: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.float64]
    arrays: tuple[npt.NDArray[Any], ...]
    entries: int = NO_ENTRIES


def describe_component(scorer: OnlineScorer) -> ComponentLine | None:
    """Return the line of a scorer without the share; None for a scorer that compiled code does not support."""
    if isinstance(scorer, LinearScorer):
        return _describe_linear(scorer)
    return _describe_sessions(scorer) if isinstance(scorer, SessionScorer) else None


def _describe_linear(scorer: LinearScorer) -> ComponentLine | None:
    matrix, weigh = scorer.matrix, scorer.weigh
    if not isinstance(weigh, SummedWeights) or matrix.indices.dtype != np.int32 or matrix.data.dtype != np.float32:
        return None
    line = _Line(kernels.LINEAR, matrix.shape[0])
    line.set_array(kernels.INDPTR, matrix.indptr, np.int64)
    line.set_array(kernels.INDICES, matrix.indices, np.int32)
    line.set_array(kernels.DATA, matrix.data, np.float32)
    if scorer.row_of_item is not None:
        line.set_array(kernels.ROW_OF_ITEM, scorer.row_of_item, np.int32)
        line.integers[kernels.N_ITEMS] = len(scorer.row_of_item)
    line.integers[kernels.N_ROWS], line.integers[kernels.NNZ] = matrix.shape[0], len(matrix.data)
    line.integers[kernels.WEIGHTING] = ENTRYWISE.index(weigh.weighting)
    line.numbers[kernels.HALF_LIFE] = (weigh.half_life_days or 0.0) * DAY
    line.numbers[kernels.RECENCY] = -1.0 if weigh.recency is None else weigh.recency
    return line.build()


def _describe_sessions(scorer: SessionScorer) -> ComponentLine | None:
    component = scorer.component
    if component.history_half_life_days is not None:
        return None
    starts, items, weights, factors, largest, users, item_starts, item_sessions, k, powers, reach, back, own = (
        scorer.sessions
    )
    line = _Line(kernels.SESSIONS, len(component.item_factors_))
    for column, array, dtype in (
        (kernels.SESSION_STARTS, starts, np.int64),
        (kernels.SESSION_ITEMS, items, np.int32),
        (kernels.SESSION_WEIGHTS, weights, np.float32),
        (kernels.SESSION_FACTORS, factors, np.float32),
        (kernels.SESSION_USERS, users, np.int32),
        (kernels.ITEM_STARTS, item_starts, np.int64),
        (kernels.ITEM_SESSIONS, item_sessions, np.int32),
        (kernels.ITEM_FACTORS, component.item_factors_, np.float32),
        (kernels.MATCH_FACTORS, component.match_factors_, np.float32),
        (kernels.POWERS, powers, np.float64),
    ):
        line.set_array(column, array, dtype)
    for column, value in (
        (kernels.N_SESSIONS, len(factors)),
        (kernels.N_ENTRIES, len(items)),
        (kernels.N_INDEXED, len(item_sessions)),
        (kernels.N_POWERS, len(powers)),
        (kernels.NEIGHBORS, k),
        (kernels.LONGEST, component.longest),
    ):
        line.integers[column] = value
    line.numbers[kernels.DECAY], line.numbers[kernels.LARGEST] = component.decay, largest
    line.numbers[[kernels.REACH, kernels.BACK, kernels.OWN]] = reach, back, own
    return line.build(entries=scorer.entries)


class _Line:
    """A line that is being filled. An array of another type is copied."""

    def __init__(self, kind: int, n_items: int) -> None:
        self.integers = np.zeros(kernels.N_INTEGERS, np.int64)
        self.integers[kernels.KIND], self.integers[kernels.N_ITEMS] = kind, n_items
        self.numbers = np.zeros(kernels.N_NUMBERS, np.float64)
        self.arrays: list[npt.NDArray[Any]] = []

    def set_array(self, column: int, array: npt.NDArray[Any], dtype: type[np.generic]) -> None:
        plain = np.ascontiguousarray(array, dtype)
        self.arrays.append(plain)
        self.integers[column] = find_address(plain)

    def build(self, *, entries: int = NO_ENTRIES) -> ComponentLine:
        return ComponentLine(self.integers, self.numbers, tuple(self.arrays), entries)


class ComponentGroup:
    """Components by name with their shares, in their order in the ensemble."""

    def __init__(self, lines: Sequence[tuple[str, float, ComponentLine]], smallest_divisor: float) -> None:
        self.names = [name for name, _share, _line in lines]
        self.lines = [line for _name, _share, line in lines]
        self.integers = np.array([line.integers for line in self.lines])
        self.numbers = np.array([line.numbers for line in self.lines])
        self.numbers[:, kernels.SHARE] = [share for _name, share, _line in lines]
        self.entries = max(line.entries for line in self.lines)
        self.smallest_divisor = smallest_divisor

    def score(self, history: Histories, work: Workspace) -> "GroupScores":
        """Add the normalized scores of all components to those in the workspace."""
        work.count, *columns = kernels.score_components(
            self.integers, self.numbers, self.smallest_divisor, history.item, history.order, history.weight, history.user,
            history.as_of, work.total, work.touched, work.order, work.count, work.part, work.part_touched,
            work.part_order, *work.get_session_table(self.entries),
        )  # fmt: skip
        return GroupScores.from_columns(self, columns)


@dataclass(frozen=True, eq=False)
class GroupScores:
    """The scores of one history by the components of a group. names: of those with a score. columns: of `score_components`."""

    group: ComponentGroup
    names: list[str]
    columns: Sequence[npt.NDArray[Any]]

    @classmethod
    def from_columns(cls, group: ComponentGroup, columns: Sequence[npt.NDArray[Any]]) -> Self:
        """Return the scores; the first column contains the factors of the components, 0 for one without a score."""
        names = [name for name, factor in zip(group.names, columns[0].tolist(), strict=True) if factor > 0]
        return cls(group, names, columns)

    def attribute(self, context: HistoryContext, _rows: Rows, out: Values) -> None:
        """Write the contributions to the scores of rows to out[number of the name, slot of an item, column of a row]."""
        history, work = context.history, context.work
        factors, starts, scored_rows, values, integers, numbers = self.columns
        kernels.attribute_components(
            self.group.integers, self.group.numbers, history.item, history.order, history.weight, history.as_of,
            factors, starts, scored_rows, values, integers, numbers, work.slots, work.columns, work.part, work.part_touched, work.part_order, out,
        )  # fmt: skip
