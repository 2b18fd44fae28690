"""One history at a time, as a storefront asks, thousands of times a second: the same scores and shares as `Blend`, without its matrices.

`Blend` scores many histories at once and pays for it with matrices of all items. Here the parts that are sums of neighbour rows, the
person's own past or the same for everybody are added up in arrays that a thread keeps, and only items that something speaks for are
looked at. A part of another kind is asked as in a batch. That both agree is a test.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine import kernels
from recommendations.engine.algorithms.blend import RANK_DEPTH, TINY, Blend
from recommendations.engine.algorithms.co_purchase import CoPurchase
from recommendations.engine.algorithms.content import Content
from recommendations.engine.algorithms.graph_filter import GraphFilter
from recommendations.engine.algorithms.item_knn import ItemKNN
from recommendations.engine.algorithms.repeat import Repeat
from recommendations.engine.algorithms.rp3beta import RP3Beta
from recommendations.engine.algorithms.transitions import Transitions
from recommendations.engine.contract import Algorithm, Contribution
from recommendations.engine.histories import Histories
from recommendations.engine.weighting import DAY, ENTRYWISE

type Rows = npt.NDArray[np.int32]
type Values = npt.NDArray[np.float32]
type Sums = Callable[[float | None, str, float | None], tuple[Rows, Values]]

RAW = "raw"
NO_FACTORS = np.empty(0, np.float32)


class OutOfTimeError(Exception):
    """The moment by which an answer is due has passed."""


class Workspace:
    """Arrays of the length of the catalogue that one thread uses again and again; clean whenever nobody scores."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.total = np.zeros(n, np.float32)
        self.met = np.zeros(n, np.bool_)
        self.order = np.empty(n, np.int32)
        self.count = 0
        self.part = np.zeros(n, np.float32)
        self.part_met = np.zeros(n, np.bool_)
        self.part_order = np.empty(n, np.int32)
        self.slots = np.zeros(n, np.int32)
        self.places = np.full(n, -1, np.int32)

    def clear(self) -> None:
        kernels.forget(self.total, self.met, self.order, self.count)
        self.count = 0


class Linear(NamedTuple):
    """A part whose scores are weights of the history's items times rows of a matrix; of_item: the row of each item, None for its own."""

    matrix: csr_array
    weigh: Callable[[Sums], tuple[Rows, Values]]
    of_item: Rows | None = None

    def rows(self, items: Rows) -> Rows:
        return items if self.of_item is None else self.of_item[items]


class Cause(NamedTuple):
    """What the largest share of a score comes from: a row of the history (-1: no single one) and the part that says so; share of the score."""

    item: int
    source: str
    share: float


@dataclass
class _Said:
    """What one part said of a history: positive values count `factor` each; weights of the history's items where it is linear."""

    name: str
    factor: float
    rows: Rows
    values: Values
    items: Rows | None = None
    weights: Values | None = None


@dataclass
class Scored:
    """The scores of one history; valid until the workspace is cleared. known: something other than what is the same for all speaks."""

    blend: "SingleBlend"
    history: Histories
    work: Workspace
    known: bool = False
    said: list[_Said] = field(default_factory=list)

    def best(
        self, n: int, *, allowed: npt.NDArray[np.bool_], barred: Rows, factors: Values | None = None
    ) -> tuple[Rows, Values]:
        """The n best rows and their scores, best first; only what something speaks for."""
        work = self.work
        return kernels.best_of_one(
            work.total, work.met, work.order, work.count, self.blend.static, self.blend.static_order,
            allowed, barred, work.part_met, NO_FACTORS if factors is None else factors, n,
        )  # fmt: skip

    def of(self, rows: Rows) -> Values:
        """The scores of some rows, 0 where nothing speaks for one."""
        return self.work.total[rows] + self.blend.static[rows]

    def causes(self, rows: Rows) -> list[Cause]:
        """For each row what the largest share of its score comes from, by item of the history."""
        parts, names, base = self._parts(rows)
        together = parts.sum(axis=0)
        whole = together.sum(axis=0)
        largest = together.argmax(axis=0)
        columns = np.arange(len(rows))
        sources = parts[:, largest, columns].argmax(axis=0)
        values = together[largest, columns]
        shares = np.divide(values, whole, out=np.zeros(len(rows), np.float32), where=whole > 0)
        found = base[largest]
        found[values <= 0] = -1
        return [
            Cause(item, names[source], share)
            for item, source, share in zip(found.tolist(), sources.tolist(), shares.tolist(), strict=True)
        ]

    def contributions(self, rows: Rows) -> list[list[Contribution]]:
        """Where the score of each row comes from, largest first; the values sum to the score."""
        parts, names, base = self._parts(rows)
        found = []
        for column in range(len(rows)):
            sources, slots = np.nonzero(parts[:, :, column])
            values = parts[sources, slots, column]
            told = zip(sources.tolist(), base[slots].tolist(), values.tolist(), strict=True)
            listed = [Contribution(names[source], item, value) for source, item, value in told]
            found.append(sorted(listed, key=lambda part: -part.value))
        return found

    def _parts(self, rows: Rows) -> tuple[npt.NDArray[np.float32], list[str], Rows]:
        """(parts, history items + 1, rows): of each score what comes from each item, last what comes from none; names; the items, -1 last."""
        work = self.work
        base = np.append(np.unique(self.history.item), -1).astype(np.int32)
        work.slots[base[:-1]] = np.arange(len(base) - 1, dtype=np.int32)
        work.places[rows] = np.arange(len(rows), dtype=np.int32)
        names = [*(one.name for one in self.said), *self.blend.static_names]
        parts = np.zeros((max(len(names), 1), len(base), len(rows)), np.float32)
        for one, out in zip(self.said, parts, strict=False):
            linear = self.blend.linear.get(one.name)
            if linear is not None and one.items is not None and one.weights is not None:
                matrix = linear.matrix
                kernels.add_linear_parts(
                    one.items, linear.rows(one.items), one.weights, one.factor, work.slots,
                    matrix.indptr, matrix.indices, matrix.data, work.places, out,
                )  # fmt: skip
                out *= out.sum(axis=0) > 0
            else:
                self._generic_parts(one, rows, out)
        for place, name in enumerate(self.blend.static_names, start=len(self.said)):
            parts[place, -1] = self.blend.statics[name][rows]
        work.places[rows] = -1
        return parts, names or [""], base

    def _generic_parts(self, one: _Said, rows: Rows, out: npt.NDArray[np.float32]) -> None:
        """Parts as the algorithm tells them, scaled to what the score has of it."""
        worth = np.zeros(len(rows), np.float32)
        places = self.work.places[one.rows]
        wanted = places >= 0
        worth[places[wanted]] = np.maximum(one.values[wanted], 0) * one.factor
        known = rows < self.blend.n_items
        for attribution in self.blend.components[one.name].attribute(self.history, rows[known].tolist()):
            slots = np.where(attribution.items >= 0, self.work.slots[attribution.items], len(out) - 1)
            told = np.zeros_like(out)
            np.add.at(told, slots, _widened(attribution.parts, known))
            out += told
        total = out.sum(axis=0)
        out *= np.divide(worth, total, out=np.zeros_like(worth), where=total > 0)


def _widened(parts: npt.NDArray[np.floating], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.floating]:
    if known.all():
        return parts
    wide = np.zeros((len(parts), len(known)), parts.dtype)
    wide[:, known] = parts
    return wide


class SingleBlend:
    """A fitted blend, made ready to answer one history at a time over n ≥ items rows; what lies beyond the items scores 0.

    score(u, i) = Σ_c w_c · ŝ_c(u, i) as `Blend` defines it. With `alike`, of products that are named instead of a history, content
    gives the k most alike of `Content.similar`, each text once, instead of all that share a word.
    """

    def __init__(self, blend: Blend, n: int, *, alike: bool = False) -> None:
        self.n = n
        self.normalisation = blend.normalisation
        self.shares = {name: share for name, share in blend.shares().items() if share > 0}
        self.components: dict[str, Algorithm] = {name: blend.components_[name] for name in self.shares}
        self.linear: dict[str, Linear] = {}
        self.statics: dict[str, Values] = {}
        self.n_items = 0
        for name, component in self.components.items():
            if (counts := getattr(component, "counts_", None)) is not None:
                self.statics[name] = _normalised_static(counts, self.shares[name], self.normalisation, n)
                self.n_items = len(counts)
            elif (linear := linear_of(component, alike=alike)) is not None:
                self.linear[name] = linear
                self.n_items = linear.matrix.shape[1]
        self.static_names = list(self.statics)
        self.static = np.zeros(n, np.float32)
        for values in self.statics.values():
            self.static += values
        order = np.argsort(-self.static, kind="stable").astype(np.int32)
        self.static_order = order[: int((self.static > 0).sum())]

    def score(self, history: Histories, work: Workspace, *, due: float | None = None) -> Scored:
        """Scores into a clean workspace. due: moment of `time.perf_counter` after which it gives up.

        Errors: OutOfTimeError, with the workspace clean again.
        """
        self.n_items = history.n_items
        scored = Scored(self, history, work)
        known_sums: dict[tuple[float | None, str, float | None], tuple[Rows, Values]] = {}

        def sums(half_life_days: float | None, weighting: str, recency: float | None) -> tuple[Rows, Values]:
            key = (half_life_days, weighting, recency)
            if key not in known_sums:
                known_sums[key] = kernels.history_sums(
                    history.item, history.weight, history.order, history.as_of,
                    (half_life_days or 0.0) * DAY, -1.0 if recency is None else recency, ENTRYWISE.index(weighting),
                    work.part, work.part_met, work.part_order,
                )  # fmt: skip
            return known_sums[key]

        for name, component in self.components.items():
            if name in self.statics:
                continue
            if due is not None and time.perf_counter() > due:
                work.clear()
                raise OutOfTimeError
            one = self._said(name, component, history, sums, work)
            if one is None:
                continue
            scored.known = True
            scored.said.append(one)
            work.count = kernels.fold_in(one.rows, one.values, one.factor, work.total, work.met, work.order, work.count)
        return scored

    def _said(self, name: str, component: Algorithm, history: Histories, sums: Sums, work: Workspace) -> _Said | None:
        items: Rows | None = None
        weights: Values | None = None
        linear = self.linear.get(name)
        if linear is not None:
            items, weights = linear.weigh(sums)
            matrix = linear.matrix
            rows, values = kernels.row_product(
                linear.rows(items), weights, matrix.indptr, matrix.indices, matrix.data,
                work.part, work.part_met, work.part_order,
            )  # fmt: skip
        elif isinstance(component, Repeat):
            rows, values = sums(component.half_life_days, RAW, None)
        else:
            rows, values = _sparse_row(component.score(history))
        if not len(values):
            return None
        highest = float(values.max())
        if not highest > 0:
            return None
        share = self.shares[name]
        if self.normalisation == "rank":
            rows, values = _ranked(rows, values)
            return _Said(name, share, rows, values)
        return _Said(name, share / max(highest, float(TINY)), rows, values, items, weights)


def linear_of(component: Algorithm, *, alike: bool = False) -> Linear | None:
    """How a part is a sum of rows of a matrix; None where it is none."""
    match component:
        case Transitions():
            return Linear(
                component.neighbours_, lambda sums: sums(component.history_half_life_days, RAW, component.recency)
            )
        case ItemKNN():
            return Linear(
                component.neighbours_,
                lambda sums: sums(component.history_half_life_days, component.history_weighting, None),
            )
        case CoPurchase():
            return Linear(
                component.rules_, lambda sums: sums(component.history_half_life_days, component.history_weighting, None)
            )
        case RP3Beta() if component.weighting in ENTRYWISE:
            return Linear(component.walks_, lambda sums: _chances(component, sums))
        case GraphFilter() if not len(component.low_pass_) and component.weighting in ENTRYWISE:
            return Linear(component.filter_, lambda sums: _filtered(component, sums))
        case Content() if alike:
            return Linear(component.neighbours_, lambda sums: sums(None, "binary", None), component.document_)
    return None


def _chances(component: RP3Beta, sums: Sums) -> tuple[Rows, Values]:
    rows, values = sums(component.half_life_days, component.weighting, None)
    whole = float(values.sum())
    return rows, ((values / whole) ** component.exponent if whole > 0 else values).astype(np.float32)


def _filtered(component: GraphFilter, sums: Sums) -> tuple[Rows, Values]:
    rows, values = sums(component.half_life_days, component.weighting, None)
    whole = float(values.sum())
    length = whole**-component.user_exponent if whole > 0 else 0.0
    return rows, (values * np.float32(length) * component.item_factors_[rows]).astype(np.float32)


def _sparse_row(scores: npt.NDArray[np.float32] | csr_array) -> tuple[Rows, Values]:
    if isinstance(scores, csr_array):
        return scores.indices, scores.data
    row = np.asarray(scores[0], np.float32)
    rows = np.flatnonzero(np.isfinite(row) & (row > 0)).astype(np.int32)
    return rows, row[rows]


def _ranked(rows: Rows, values: Values) -> tuple[Rows, Values]:
    """1 / (1 + ln rank) of the best RANK_DEPTH positive ones; ties: lower row first."""
    order = np.lexsort((rows, -values))[:RANK_DEPTH]
    order = order[values[order] > 0]
    return rows[order], (1.0 / (1.0 + np.log(np.arange(1.0, len(order) + 1.0)))).astype(np.float32)


def _normalised_static(counts: npt.NDArray[np.floating], share: float, normalisation: str, n: int) -> Values:
    values = np.zeros(n, np.float32)
    rows, found = _sparse_row(np.asarray(counts, np.float32)[None, :])
    if not len(rows):
        return values
    if normalisation == "rank":
        rows, found = _ranked(rows, found)
        values[rows] = np.float32(share) * found
    else:
        values[rows] = found * (np.float32(share) / np.float32(max(float(found.max()), float(TINY))))
    return values


def barred_rows(*groups: Sequence[int] | npt.NDArray[np.integer]) -> Rows:
    """Rows that may not appear, out of several lists; -1 among them is harmless."""
    parts = [np.asarray(group, np.int32) for group in groups if len(group)]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)
