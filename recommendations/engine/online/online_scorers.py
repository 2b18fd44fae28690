"""How each kind of algorithm speaks of one history, and to which of its items it owes that: for `single`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.linear.graph_filter import GraphFilter
from recommendations.engine.algorithms.linear.rp3beta import RP3Beta
from recommendations.engine.algorithms.neighbors.co_purchase import CoPurchase
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.engine.algorithms.neighbors.session_knn import SessionNeighbours, make_table
from recommendations.engine.algorithms.neighbors.user_knn import UserKNN
from recommendations.engine.algorithms.repeat.repeat_interval import RepeatRhythm
from recommendations.engine.algorithms.repeat.repeat_purchase import Repeat
from recommendations.engine.algorithms.sequences.transitions import Transitions
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.weighting import DAY, ENTRYWISE
from recommendations.engine.linear_algebra.product_kernels import multiply_top_k
from recommendations.engine.online.kernels import (
    add_content_contributions,
    add_linear_contributions,
    add_neighbor_contributions,
    clear_sums,
    expand_documents,
    multiply_row,
    sum_history,
)

type Values = npt.NDArray[np.float32]
type Pair = tuple[Rows, Values]

RAW, BINARY = "raw", "binary"
NO_ROWS, NO_VALUES = np.empty(0, np.int32), np.empty(0, np.float32)


class Workspace:
    """Arrays that are used again and again, by one history at a time and clean in between: of the length of the catalogue, or as wide as a

    part needs, and a table to find sessions in.
    """

    def __init__(self, n: int, width: int = 0) -> None:
        self.n = n
        self.total = np.zeros(n, np.float32)
        self.met = np.zeros(n, np.bool_)
        self.order = np.empty(n, np.int32)
        self.count = 0
        self.part = np.zeros(max(n, width), np.float32)
        self.part_met = np.zeros(max(n, width), np.bool_)
        self.part_order = np.empty(max(n, width), np.int32)
        self.slots = np.zeros(n, np.int32)
        self.places = np.full(n, -1, np.int32)
        self._table: tuple[int, tuple[npt.NDArray[Any], ...]] | None = None

    def table(self, entries: int) -> tuple[npt.NDArray[Any], ...]:
        """As of `make_table`."""
        if self._table is None or self._table[0] != entries:
            self._table = (entries, make_table(entries))
        return self._table[1]

    def clear(self) -> None:
        clear_sums(self.total, self.met, self.order, self.count)
        self.count = 0

    def times(self, rows: Rows, weights: Values, matrix: csr_array) -> Pair:
        """A sparse row times a matrix."""
        return multiply_row(
            rows, weights, matrix.indptr, matrix.indices, matrix.data, self.part, self.part_met, self.part_order
        )


class Asked:
    """One history, and the sums of its weights as the parts want them, each once."""

    def __init__(self, history: Histories, work: Workspace) -> None:
        self.history = history
        self.work = work
        self._sums: dict[tuple[float | None, str, float | None], Pair] = {}

    def sums(self, half_life_days: float | None, weighting: str, recency: float | None = None) -> Pair:
        """Different items and their weights: aged, and with `recency` by the moments back from the newest."""
        key = (half_life_days, weighting, recency)
        if key not in self._sums:
            history, work = self.history, self.work
            self._sums[key] = sum_history(
                history.item, history.weight, history.order, history.as_of,
                (half_life_days or 0.0) * DAY, -1.0 if recency is None else recency, ENTRYWISE.index(weighting),
                work.part, work.part_met, work.part_order,
            )  # fmt: skip
        return self._sums[key]


class Told(NamedTuple):
    """What a part says: rows and their values; memo is for its own `share_out`."""

    rows: Rows
    values: Values
    memo: Any = None


class Part(Protocol):
    """width: how long its arrays are, where that is more than the catalogue."""

    @property
    def width(self) -> int: ...

    def tell(self, asked: Asked) -> Told: ...

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        """Adds to out[slot of the history's item, column of the row] what the value of the row owes to the item.

        The workspace knows the slots and the columns (places). Of no single item is the last slot. Values are as told, before any
        normalisation.
        """


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Weights of the history's items times rows of a matrix; of_item: the row of each item, None for its own."""

    matrix: csr_array
    weigh: Callable[[Asked], Pair]
    of_item: Rows | None = None
    width: int = 0

    def tell(self, asked: Asked) -> Told:
        items, weights = self.weigh(asked)
        rows = items if self.of_item is None else self.of_item[items]
        return Told(*asked.work.times(rows, weights, self.matrix), (items, rows, weights))

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        items, matrix_rows, weights = told.memo
        matrix, work = self.matrix, asked.work
        add_linear_contributions(
            items, matrix_rows, weights, 1.0, work.slots, matrix.indptr, matrix.indices, matrix.data, work.places, out
        )


@dataclass(frozen=True, eq=False)
class OwnPart:
    """What says something of the person's own items alone, each because of itself."""

    component: Repeat | RepeatRhythm
    width: int = 0

    def tell(self, asked: Asked) -> Told:
        if isinstance(self.component, Repeat):
            return Told(*asked.sums(self.component.half_life_days, RAW))
        scores = self.component.score(asked.history)
        return Told(scores.indices, scores.data)

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        places = asked.work.places[told.rows]
        wanted = places >= 0
        out[asked.work.slots[told.rows[wanted]], places[wanted]] += told.values[wanted]


class ContentPart:
    """The profile of a history, by the documents that items share, times all documents."""

    def __init__(self, component: Content) -> None:
        self.component = component
        vectors = component.vectors_
        self.width = max(vectors.shape)
        order = np.argsort(component.document_, kind="stable").astype(np.int32)
        self.items_of = order
        self.starts = np.searchsorted(component.document_[order], np.arange(vectors.shape[0] + 1))

    def tell(self, asked: Asked) -> Told:
        component, work = self.component, asked.work
        profile = profile_of(component, asked)
        if profile is None:
            return Told(NO_ROWS, NO_VALUES)
        found, values = work.times(profile.terms, profile.values, component.term_documents_)
        rows, values = expand_documents(found, values, self.starts, self.items_of)
        return Told(rows, values, profile)

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        if told.memo is not None:
            add_likeness(self.component, told.memo, rows, asked.work.slots[told.memo.items], asked.work.part, out)


class Profile(NamedTuple):
    """The content of a history, of length 1, by term; and the items that it is made of, their documents and weights."""

    terms: Rows
    values: Values
    items: Rows
    documents: Rows
    weights: Values


def profile_of(component: Content, asked: Asked) -> Profile | None:
    """None of a history without content."""
    items, weights = asked.sums(component.half_life_days, component.history_weighting)
    documents = component.document_[items]
    terms, profile = asked.work.times(documents, weights, component.vectors_)
    length = float(np.sqrt(np.square(profile, dtype=np.float64).sum()))
    if not length:
        return None
    return Profile(terms, profile / np.float32(length), items, documents, (weights / length).astype(np.float32))


def add_likeness(component: Content, profile: Profile, rows: Rows, slots: Rows, buffer: Values, out: Values) -> None:
    """out[slot of each item of the profile, column of each row] += how alike they are, times the item's weight."""
    known = rows < len(component.document_)
    targets = np.where(known, component.document_[np.where(known, rows, 0)], -1)
    vectors = component.vectors_
    add_content_contributions(
        profile.documents, profile.weights, slots, targets, vectors.indptr, vectors.indices, vectors.data, buffer, out
    )


def content_of(component: Content, history: Histories, rows: Rows) -> Values:
    """The score of content for some rows alone, without a workspace of all products; 0 for what it does not know."""
    work = Workspace(history.n_items, max(component.vectors_.shape))
    profile = profile_of(component, Asked(history, work))
    out = np.zeros((1, len(rows)), np.float32)
    if profile is not None:
        add_likeness(component, profile, rows, np.zeros(len(profile.items), np.int32), work.part, out)
    return out[0]


class PeoplePart:
    """The nearest people, and what they have."""

    def __init__(self, component: UserKNN) -> None:
        self.component = component
        self.width = 0
        self.k = max(1, min(component.k, component.rows_.shape[0]))

    def tell(self, asked: Asked) -> Told:
        component, history = self.component, asked.history
        items, weights = asked.sums(component.half_life_days, component.weighting)
        if not len(items):
            return Told(NO_ROWS, NO_VALUES)
        unit = weights * component.item_factors_[items].astype(np.float32)
        length = float(np.sqrt(np.square(unit, dtype=np.float64).sum()))
        if not length:
            return Told(NO_ROWS, NO_VALUES)
        unit = (unit / np.float32(length)).astype(np.float32)
        people = component.item_users_
        near, values, count = np.empty((1, self.k), np.int32), np.empty((1, self.k), np.float32), np.zeros(1, np.int32)
        multiply_top_k(
            np.array([0, len(items)], np.int32), items, unit, people.indptr, people.indices, people.data, people.shape[1],
            np.zeros(1, np.int32), history.user, np.float32(component.shrinkage), 1, near, values, count,
        )  # fmt: skip
        nearest, likeness = near[0, : count[0]], values[0, : count[0]]
        whole = float(likeness.sum(dtype=np.float64))
        if not whole > 0:
            return Told(NO_ROWS, NO_VALUES)
        shares = likeness * np.float32(1.0 / whole)
        rows, values = asked.work.times(nearest, shares, component.rows_)
        return Told(rows, values, (items, unit, nearest, shares))

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        if told.memo is None:
            return
        items, unit, nearest, shares = told.memo
        component, work = self.component, asked.work
        own = work.part
        own[items] = unit
        add_neighbor_contributions(
            nearest, shares, component.rows_.indptr, component.rows_.indices, component.rows_.data,
            component.unit_rows_.indptr, component.unit_rows_.indices, component.unit_rows_.data,
            own, work.slots, work.places, out,
        )  # fmt: skip
        own[items] = 0


class SessionsPart:
    """The nearest sessions, found once for scores and reasons; the table to find them in is kept by each thread."""

    def __init__(self, component: SessionNeighbours) -> None:
        self.component = component
        self.width = 0
        self.sessions = component.sessions()
        self.entries = component.most_entries()

    def tell(self, asked: Asked) -> Told:
        component, work = self.component, asked.work
        _starts, shared, strengths = component._strengths(asked.history)
        if not len(shared):
            return Told(NO_ROWS, NO_VALUES)
        sums = work.part, work.part_met, work.part_order
        found = component.nearest(
            shared, strengths, asked.history.user[0], self.sessions, work.table(self.entries), sums
        )
        return Told(found[0], found[1], (found, shared, strengths))

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        if told.memo is not None:
            work, (found, shared, strengths) = asked.work, told.memo
            self.component.share_out(found, shared, strengths, work.slots, work.places, work.part, out)


@dataclass(frozen=True, eq=False)
class OtherPart:
    """Any other algorithm, as in a batch of one."""

    component: Algorithm
    width: int = 0

    def tell(self, asked: Asked) -> Told:
        return Told(*sparse_row(self.component.score(asked.history)))

    def share_out(self, asked: Asked, told: Told, rows: Rows, out: Values) -> None:
        known = np.flatnonzero(rows < asked.history.n_items)
        slots = asked.work.slots
        for attribution in self.component.attribute(asked.history, rows[known].tolist()):
            at = np.where(attribution.items >= 0, slots[attribution.items], len(out) - 1)
            wide = np.zeros((len(at), len(rows)), np.float32)
            wide[:, known] = attribution.parts
            np.add.at(out, at, wide)


def part_of(component: Algorithm, *, alike: bool) -> Part:
    """alike: of products that are named instead of a history, content gives the most alike of each text, not all that share a word."""
    match component:
        case Transitions():
            return LinearPart(
                component.neighbours_,
                lambda asked: asked.sums(component.history_half_life_days, RAW, component.recency),
            )
        case ItemKNN():
            return LinearPart(
                component.neighbours_,
                lambda asked: asked.sums(component.history_half_life_days, component.history_weighting),
            )
        case CoPurchase():
            return LinearPart(
                component.rules_,
                lambda asked: asked.sums(component.history_half_life_days, component.history_weighting),
            )
        case RP3Beta() if component.weighting in ENTRYWISE:
            return LinearPart(component.walks_, lambda asked: _chances(component, asked))
        case GraphFilter() if not len(component.low_pass_) and component.weighting in ENTRYWISE:
            return LinearPart(component.filter_, lambda asked: _filtered(component, asked))
        case Content() if alike:
            return LinearPart(component.neighbours_, lambda asked: asked.sums(None, BINARY), component.document_)
        case Content():
            return ContentPart(component)
        case UserKNN():
            return PeoplePart(component)
        case SessionNeighbours():
            return SessionsPart(component)
        case Repeat() | RepeatRhythm():
            return OwnPart(component)
    return OtherPart(component)


def _chances(component: RP3Beta, asked: Asked) -> Pair:
    rows, values = asked.sums(component.half_life_days, component.weighting)
    whole = float(values.sum())
    return rows, ((values / whole) ** component.exponent if whole > 0 else values).astype(np.float32)


def _filtered(component: GraphFilter, asked: Asked) -> Pair:
    rows, values = asked.sums(component.half_life_days, component.weighting)
    whole = float(values.sum())
    length = whole**-component.user_exponent if whole > 0 else 0.0
    return rows, (values * np.float32(length) * component.item_factors_[rows]).astype(np.float32)


def sparse_row(scores: npt.NDArray[np.float32] | csr_array) -> Pair:
    """The positive entries of a single row."""
    if isinstance(scores, csr_array):
        return scores.indices, scores.data
    row = np.asarray(scores[0], np.float32)
    rows = np.flatnonzero(np.isfinite(row) & (row > 0)).astype(np.int32)
    return rows, row[rows]
