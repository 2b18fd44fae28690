"""One history at a time, as a storefront asks, thousands of times a second: the same scores and shares as `Blend`, without its matrices.

`Blend` scores many histories at once and pays for it with matrices of all items. Here the parts are added up in arrays that a thread
keeps, and only items that something speaks for are looked at. That both agree is a test.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.base import Contribution
from recommendations.engine.algorithms.ensembles.weighted_ensemble import RANK_DEPTH, TINY, Blend
from recommendations.engine.data.histories import Histories
from recommendations.engine.online.kernels import (
    add_scaled,
    assign_slots,
    find_largest_contributions,
    scale_contributions,
    select_top_online,
)
from recommendations.engine.online.online_scorers import Asked, Part, Told, Values, Workspace, part_of, sparse_row

NO_FACTORS = np.empty(0, np.float32)


class OutOfTimeError(Exception):
    """The moment by which an answer is due has passed."""


class Cause(NamedTuple):
    """What the largest share of a score comes from: a row of the history (-1: no single one) and the part that says so; share of the score."""

    item: int
    source: str
    share: float


class _Said(NamedTuple):
    """What one part said: as told, and the rows and values that counted `factor` each."""

    name: str
    told: Told
    factor: float
    rows: Rows
    values: Values


@dataclass
class Scored:
    """The scores of one history; valid until the workspace is cleared. known: something other than what is the same for all speaks."""

    blend: "SingleBlend"
    asked: Asked
    work: Workspace
    known: bool = False
    said: list[_Said] = field(default_factory=list)

    @property
    def history(self) -> Histories:
        return self.asked.history

    def best(
        self, n: int, *, allowed: npt.NDArray[np.bool_], barred: Rows, factors: Values | None = None
    ) -> tuple[Rows, Values]:
        """The n best rows and their scores, best first; only what something speaks for."""
        work = self.work
        return select_top_online(
            work.total, work.met, work.order, work.count, self.blend.static, self.blend.static_order,
            allowed, barred, work.part_met, NO_FACTORS if factors is None else factors,
            1.0 if factors is None else self.blend.largest(factors), n,
        )  # fmt: skip

    def of(self, rows: Rows) -> Values:
        """The scores of some rows, 0 where nothing speaks for one."""
        return self.work.total[rows] + self.blend.static[rows]

    def causes(self, rows: Rows) -> list[Cause]:
        """For each row what the largest share of its score comes from, by item of the history."""
        parts, names, base = self._parts(rows)
        slots, sources, shares = find_largest_contributions(parts)
        told = zip(base[slots].tolist(), sources.tolist(), shares.tolist(), strict=True)
        return [Cause(item, names[source], share) for item, source, share in told]

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
        base = assign_slots(self.history.item, work.slots)
        work.places[rows] = np.arange(len(rows), dtype=np.int32)
        names = [*(one.name for one in self.said), *self.blend.static_names]
        parts = np.zeros((max(len(names), 1), len(base), len(rows)), np.float32)
        try:
            for one, out in zip(self.said, parts, strict=False):
                self.blend.parts[one.name].share_out(self.asked, one.told, rows, out)
                scale_contributions(one.rows, one.values, one.factor, work.places, out)
        finally:
            work.places[rows] = -1
        for place, name in enumerate(self.blend.static_names, start=len(self.said)):
            parts[place, -1] = self.blend.statics[name][rows]
        return parts, names or [""], base


class SingleBlend:
    """A fitted blend, made ready to answer one history at a time over n ≥ items rows; what lies beyond the items scores 0.

    score(u, i) = Σ_c w_c · ŝ_c(u, i) as `Blend` defines it. With `alike`, of products that are named instead of a history, content
    gives the k most alike of `Content.similar`, each text once, instead of all that share a word.
    """

    def __init__(self, blend: Blend, n: int, *, alike: bool = False) -> None:
        self.n = n
        self.normalisation = blend.normalisation
        self.shares = {name: share for name, share in blend.shares().items() if share > 0}
        self.parts: dict[str, Part] = {}
        self.statics: dict[str, Values] = {}
        for name, share in self.shares.items():
            component = blend.components_[name]
            counts = getattr(component, "counts_", None)
            if counts is not None:
                self.statics[name] = _normalised_static(counts, share, self.normalisation, n)
            else:
                self.parts[name] = part_of(component, alike=alike)
        self.width = max((part.width for part in self.parts.values()), default=0)
        self.static_names = list(self.statics)
        self.static = np.zeros(n, np.float32)
        for values in self.statics.values():
            self.static += values
        order = np.argsort(-self.static, kind="stable").astype(np.int32)
        self.static_order = order[: int((self.static > 0).sum())]
        self._largest: tuple[Values, float] | None = None

    def largest(self, factors: Values) -> float:
        """Of the factors; of those that were asked about last it is known."""
        kept = self._largest
        if kept is None or kept[0] is not factors:
            kept = self._largest = (factors, float(factors.max(initial=0.0)))
        return kept[1]

    def score(self, history: Histories, work: Workspace, *, due: float | None = None) -> Scored:
        """Scores into a clean workspace. due: moment of `time.perf_counter` after which it gives up.

        Errors: OutOfTimeError, with the workspace clean again.
        """
        scored = Scored(self, Asked(history, work), work)
        for name, part in self.parts.items():
            if due is not None and time.perf_counter() > due:
                work.clear()
                raise OutOfTimeError
            told = part.tell(scored.asked)
            highest = float(told.values.max()) if len(told.values) else 0.0
            if not highest > 0:
                continue
            said = self._counted(name, told, highest)
            scored.known = True
            scored.said.append(said)
            work.count = add_scaled(said.rows, said.values, said.factor, work.total, work.met, work.order, work.count)
        return scored

    def _counted(self, name: str, told: Told, highest: float) -> _Said:
        share = self.shares[name]
        if self.normalisation == "rank":
            return _Said(name, told, share, *_ranked(told.rows, told.values))
        return _Said(name, told, share / max(highest, float(TINY)), told.rows, told.values)


def _ranked(rows: Rows, values: Values) -> tuple[Rows, Values]:
    """1 / (1 + ln rank) of the best RANK_DEPTH positive ones; ties: lower row first."""
    order = np.lexsort((rows, -values))[:RANK_DEPTH]
    order = order[values[order] > 0]
    return rows[order], (1.0 / (1.0 + np.log(np.arange(1.0, len(order) + 1.0)))).astype(np.float32)


def _normalised_static(counts: npt.NDArray[np.floating], share: float, normalisation: str, n: int) -> Values:
    values = np.zeros(n, np.float32)
    rows, found = sparse_row(np.asarray(counts, np.float32)[None, :])
    if not len(rows):
        return values
    if normalisation == "rank":
        rows, found = _ranked(rows, found)
        values[rows] = np.float32(share) * found
    else:
        values[rows] = found * (np.float32(share) / np.float32(max(float(found.max()), float(TINY))))
    return values


def widest(blends: Sequence[SingleBlend]) -> int:
    """How wide a workspace must be for all of these."""
    return max((blend.width for blend in blends), default=0)


__all__ = ["Cause", "OutOfTimeError", "Scored", "SingleBlend", "Workspace", "widest"]
