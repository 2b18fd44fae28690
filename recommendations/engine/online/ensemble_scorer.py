"""A weighted ensemble that scores one history at a time, thousands of times per second for a storefront.

`WeightedEnsemble` scores many histories at once with matrices of all items. Here each thread adds the components' scores up in arrays that it
reuses, and reads only items with a score. A test asserts that both agree.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.base import VISIT_PREFIX, Contribution
from recommendations.engine.algorithms.ensembles.weighted_ensemble import (
    RANK_DEPTH,
    TINY,
    WeightedEnsemble,
    compute_rank_weights,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.cause_kernels import (
    find_largest_contributions,
    find_least_contributions,
    find_specific_slots,
    replace_causes,
    scale_contributions,
)
from recommendations.engine.online.component_group import (
    ComponentGroup,
    ComponentLine,
    GroupScores,
    describe_component,
)
from recommendations.engine.online.context import (
    ComponentScores,
    HistoryContext,
    OnlineScorer,
    SparseRow,
    Values,
    Workspace,
    get_positive_entries,
)
from recommendations.engine.online.kernels import (
    add_normalized,
    add_scaled,
    assign_slots,
    select_top_among,
    select_top_online,
)
from recommendations.engine.online.selection_kernels import select_limited
from recommendations.engine.pair_support.support import MIN_PEOPLE, PairSupport

NO_FACTORS, NO_CODES = np.empty(0, np.float32), np.empty(0, np.int32)
# A cause is named if it contributed at least a quarter of the largest contribution. It explains a product if its customers buy the product
# at least 1.5 times as often as all customers do.
MIN_CAUSE_SHARE, SPECIFIC_LIFT = 0.25, 1.5
SMALLEST_DIVISOR = float(TINY)


class DeadlineExceededError(Exception):
    """The deadline of the response has passed."""


class MainCause(NamedTuple):
    """The largest share of a score: the history row it is due to (-1: no single one), the component, and the share, 0 to 1."""

    item: int
    source: str
    share: float


class MainCauses(NamedTuple):
    """The main causes of m rows as columns: int32 items (m,), int32 positions in the names of the components (m,), shares (m,)."""

    items: Rows
    sources: Rows
    shares: Values
    names: list[str]


class _NormalizedScores(NamedTuple):
    """The scores of one component, and the rows and values that count `factor` each in the ensemble."""

    name: str
    scores: ComponentScores
    factor: float
    rows: Rows
    values: Values
    scorer: OnlineScorer

    @property
    def names(self) -> list[str]:
        return [self.name]

    def attribute(self, context: HistoryContext, rows: Rows, out: Values) -> None:
        """Write the contributions to the scores of rows to out[0], as `GroupScores.attribute` does."""
        self.scorer.attribute(context, self.scores, rows, out[0])
        scale_contributions(self.rows, self.values, self.factor, context.work.columns, out[0])


@dataclass
class ScoredHistory:
    """The scores of one history; valid until the workspace is cleared.

    is_personalized: some score depends on the history; the others are the same for all histories. visit: the scores of the current
    visit, of which `visit_factor` times were added.
    """

    ensemble: "OnlineEnsemble"
    context: HistoryContext
    work: Workspace
    is_personalized: bool = False
    components: list[_NormalizedScores | GroupScores] = field(default_factory=list)
    visit: "ScoredHistory | None" = None
    visit_factor: float = 0.0

    @property
    def history(self) -> Histories:
        """Return the history, followed by the products of the current visit."""
        history = self.context.history
        if self.visit is None:
            return history
        return history.append(self.visit.context.history)

    def remove_visited(self) -> None:
        """Set the scores of the history's own items to 0: a visit should recommend products other than those just viewed."""
        self.work.total[self.context.history.item] = 0

    def add_visit(self, visit: "ScoredHistory", factor: float) -> None:
        """Add factor · the scores of the current visit; its workspace must stay as it is until this one is cleared."""
        rows = visit.work.order[: visit.work.count]
        work = self.work
        work.count = add_scaled(rows, visit.work.total[rows], factor, work.total, work.touched, work.order, work.count)
        self.visit, self.visit_factor, self.is_personalized = visit, factor, True

    def select_top(
        self, n: int, *, allowed: npt.NDArray[np.bool_], excluded: Rows, factors: Values | None = None
    ) -> tuple[Rows, Values]:
        """Return the n best rows and their scores, best first; only rows with a score."""
        work = self.work
        return select_top_online(
            work.total, work.touched, work.order, work.count, self.ensemble.static_scores, self.ensemble.static_order,
            allowed, excluded, work.part_touched, NO_FACTORS if factors is None else factors,
            1.0 if factors is None else self.ensemble.find_largest_factor(factors), n,
        )  # fmt: skip

    def select_among(
        self,
        rows: Rows,
        n: int,
        *,
        allowed: npt.NDArray[np.bool_],
        excluded: Rows,
        factors: Values | None = None,
    ) -> tuple[Rows, Values]:
        """Return the n best of different rows and their scores, best first; only rows with a score."""
        return select_top_among(
            rows, self.work.total, self.ensemble.static_scores, allowed, excluded,
            NO_FACTORS if factors is None else factors, n,
        )  # fmt: skip

    def select_limited(
        self,
        n: int,
        *,
        allowed: npt.NDArray[np.bool_],
        excluded: Rows,
        factors: Values | None,
        purchased: Rows,
        share: float,
        codes: Rows | None,
    ) -> tuple[Rows, Values]:
        """Return the n best rows and their scores, with at most ``share`` of the positions for purchased rows.

        purchased: different rows. codes: the group of each row, of which the best row is selected.
        """
        work = self.work
        return select_limited(
            work.total, work.touched, work.order, work.count, self.ensemble.static_scores, self.ensemble.static_order,
            allowed, excluded, work.part_touched, NO_FACTORS if factors is None else factors,
            1.0 if factors is None else self.ensemble.find_largest_factor(factors), purchased,
            NO_CODES if codes is None else codes, share, n,
        )  # fmt: skip

    def get_scores(self, rows: Rows) -> Values:
        """Return the scores of some rows, 0 for rows without one."""
        return self.work.total[rows] + self.ensemble.static_scores[rows]

    def find_main_causes(self, rows: Rows, supports: Mapping[str, PairSupport] | None = None) -> list[MainCause]:
        """Return the main cause of each row: the item of the history with the largest share of its score.

        supports: source → the counts of its pairs. If the main source has them, the cause is instead the item whose pair with the row has the
        largest lift, of those that contributed at least MIN_CAUSE_SHARE of the largest contribution and have a lift of SPECIFIC_LIFT: many
        items of a long history contribute nearly the same, and what is bought most often is related to everything.
        """
        items, sources, shares, names = self.attribute_main_causes(rows, supports)
        causes = zip(items.tolist(), sources.tolist(), shares.tolist(), strict=True)
        return [MainCause(item, names[source], share) for item, source, share in causes]

    def attribute_main_causes(self, rows: Rows, supports: Mapping[str, PairSupport] | None = None) -> MainCauses:
        """Return `find_main_causes` as columns."""
        parts, names, items = self.attribute_rows(rows)
        slots, sources, shares = find_largest_contributions(parts)
        if supports:
            self._prefer_specific(parts, names, items, rows, supports, (slots, sources, shares))
        return MainCauses(items[slots], sources, shares, names)

    def _prefer_specific(
        self,
        parts: npt.NDArray[np.float32],
        names: Sequence[str],
        items: Rows,
        rows: Rows,
        supports: Mapping[str, PairSupport],
        causes: tuple[Rows, Rows, Values],
    ) -> None:
        """Replace the slots, sources and shares of causes by those of more specific pairs; see `find_main_causes`."""
        slots, sources, shares = causes
        has_pairs = np.array([name in supports for name in names], np.bool_)
        least = find_least_contributions(parts, slots, sources, items, rows, has_pairs, MIN_CAUSE_SHARE)
        best_lift = np.full(len(rows), SPECIFIC_LIFT, np.float32)
        chosen_slots, chosen_sources = np.full(len(rows), -1, np.int32), np.full(len(rows), -1, np.int32)
        for index, name in enumerate(names):
            support = supports.get(name)
            if support is not None:
                find_specific_slots(
                    parts[index], least, items, rows, support.indptr, support.indices, support.people, support.lift,
                    MIN_PEOPLE, index, best_lift, chosen_slots, chosen_sources,
                )  # fmt: skip
        replace_causes(parts, chosen_slots, chosen_sources, slots, sources, shares)

    def list_contributions(self, rows: Rows) -> list[list[Contribution]]:
        """Return the contributions to the score of each row, largest first; the values sum to the score."""
        parts, names, items = self.attribute_rows(rows)
        contributions = []
        for column in range(len(rows)):
            sources, slots = np.nonzero(parts[:, :, column])
            values = parts[sources, slots, column]
            entries = zip(sources.tolist(), items[slots].tolist(), values.tolist(), strict=True)
            listed = [Contribution(names[source], item, value) for source, item, value in entries]
            contributions.append(sorted(listed, key=lambda part: -part.value))
        return contributions

    def attribute_rows(self, rows: Rows) -> tuple[npt.NDArray[np.float32], list[str], Rows]:
        """Return contributions (components, history items + 1, rows), the components' names, and the items, -1 last.

        The last slot of the second axis holds the contributions that no single item causes.
        """
        parts, names, items = self._attribute_history(rows)
        if self.visit is None:
            return parts, names, items
        visit_parts, visit_names, visit_items = self.visit._attribute_history(rows)
        # Products of the visit itself got nothing from it (`remove_visited`).
        factors = np.where(are_members(rows, visit_items), np.float32(0), np.float32(self.visit_factor))
        all_items = np.append(np.union1d(items[:-1], visit_items[:-1]), -1).astype(np.int32)
        merged = np.zeros((len(names) + len(visit_names), len(all_items), len(rows)), np.float32)
        merged[: len(names), _find_slots(items, all_items)] = parts
        merged[len(names) :, _find_slots(visit_items, all_items)] = visit_parts * factors
        return merged, [*names, *(VISIT_PREFIX + name for name in visit_names)], all_items

    def _attribute_history(self, rows: Rows) -> tuple[npt.NDArray[np.float32], list[str], Rows]:
        """Return the contributions of the history without the current visit, as `_attribute` does."""
        work = self.work
        items = assign_slots(self.history.item, work.slots)
        work.columns[rows] = np.arange(len(rows), dtype=np.int32)
        names = [name for component in self.components for name in component.names]
        n_personal = len(names)
        names += self.ensemble.static_names
        parts = np.zeros((max(len(names), 1), len(items), len(rows)), np.float32)
        try:
            first = 0
            for component in self.components:
                component.attribute(self.context, rows, parts[first : first + len(component.names)])
                first += len(component.names)
        finally:
            work.columns[rows] = -1
        for index, name in enumerate(self.ensemble.static_names, start=n_personal):
            parts[index, -1] = self.ensemble.static_by_name[name][rows]
        return parts, names or [""], items


class OnlineEnsemble:
    """A fitted ensemble, prepared to score one history at a time over n ≥ items rows; rows beyond the items score 0.

    score(u, i) = Σ_c w_c · ŝ_c(u, i) as `WeightedEnsemble` defines it. With `for_similar`, for products that a page names instead of a
    history, content gives the k products of `Content.find_similar`, each text once, instead of all that share a term.
    """

    def __init__(self, ensemble: WeightedEnsemble, n: int, *, for_similar: bool = False) -> None:
        self.n = n
        self.normalization = ensemble.normalization
        self.shares = {name: share for name, share in ensemble.compute_shares().items() if share > 0}
        self.scorers: dict[str, OnlineScorer] = {}
        self.static_by_name: dict[str, Values] = {}
        for name, share in self.shares.items():
            component = ensemble.components_[name]
            static = component.get_static_scores()
            if static is not None:
                self.static_by_name[name] = _normalize_static(static, share, self.normalization, n)
            else:
                self.scorers[name] = component.make_online_scorer(for_similar=for_similar)
        self.steps = self._group_components()
        self.width = max((scorer.width for scorer in self.scorers.values()), default=0)
        self.static_names = list(self.static_by_name)
        self.static_scores = np.zeros(n, np.float32)
        for values in self.static_by_name.values():
            self.static_scores += values
        # Sorted once here, so that a request reads only as many static scores as can be among its best.
        order = np.argsort(-self.static_scores, kind="stable").astype(np.int32)
        self.static_order = order[: int((self.static_scores > 0).sum())]
        self._largest_factor: tuple[Values, float] | None = None

    def find_largest_factor(self, factors: Values) -> float:
        """Return the largest factor; cached for the last array, because requests share one."""
        cached = self._largest_factor
        if cached is None or cached[0] is not factors:
            cached = self._largest_factor = (factors, float(factors.max(initial=0.0)))
        return cached[1]

    def score(self, history: Histories, work: Workspace, *, due: float | None = None) -> ScoredHistory:
        """Score into a clean workspace.

        due: moment of `time.perf_counter` after which no further component is scored.

        Raises:
            DeadlineExceededError: `due` has passed; the workspace is clean again.
        """
        scored = ScoredHistory(self, HistoryContext(history, work), work)
        for step in self.steps:
            if due is not None and time.perf_counter() > due:
                work.clear()
                raise DeadlineExceededError
            if isinstance(step, str):
                self._add_component(scored, step, self.scorers[step].score(scored.context))
            else:
                scores = step.score(scored.context.history, work)
                if scores.names:
                    scored.is_personalized = True
                    scored.components.append(scores)
        return scored

    def _group_components(self) -> "list[str | ComponentGroup]":
        """Return the names of the components in their order; consecutive ones that compiled code supports become groups."""
        steps: list[str | ComponentGroup] = []
        lines: list[tuple[str, float, ComponentLine]] = []

        def end_group() -> None:
            if lines:
                steps.append(ComponentGroup(lines, SMALLEST_DIVISOR))
                lines.clear()

        for name, scorer in self.scorers.items():
            line = describe_component(scorer) if self.normalization != "rank" else None
            if line is None:
                end_group()
                steps.append(name)
            else:
                lines.append((name, self.shares[name], line))
        end_group()
        return steps

    def _add_component(self, scored: ScoredHistory, name: str, scores: ComponentScores) -> None:
        """Add the normalized scores of a component, unless none is positive."""
        work, share, rows, values = scored.work, self.shares[name], scores.rows, scores.values
        if not len(values):
            return
        if self.normalization == "rank":
            rows, values = _weigh_ranks(rows, values)
            factor = share if len(rows) else 0.0
            work.count = add_scaled(rows, values, factor, work.total, work.touched, work.order, work.count)
        else:
            work.count, factor = add_normalized(
                rows, values, share, SMALLEST_DIVISOR, work.total, work.touched, work.order, work.count
            )
        if factor > 0:
            scored.is_personalized = True
            scored.components.append(_NormalizedScores(name, scores, factor, rows, values, self.scorers[name]))


def _find_slots(items: Rows, all_items: Rows) -> npt.NDArray[np.intp]:
    """Return the position of each item in a sorted array with -1 at its end; -1 is the last of both."""
    return np.append(np.searchsorted(all_items[:-1], items[:-1]), len(all_items) - 1)


def _weigh_ranks(rows: Rows, values: Values) -> SparseRow:
    """Return the rows of the best RANK_DEPTH positive values, and of those equal to the last one, with their weights."""
    is_kept = values > 0
    if len(values) > RANK_DEPTH:
        is_kept &= values >= np.partition(values, -RANK_DEPTH)[-RANK_DEPTH]
    rows, values = rows[is_kept], values[is_kept]
    order = np.argsort(-values)
    in_order = values[order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1])[: len(in_order)])
    counts = np.diff(starts, append=len(in_order))
    return rows[order], np.repeat(compute_rank_weights(starts, counts), counts)


def _normalize_static(scores: npt.NDArray[np.floating], share: float, normalization: str, n: int) -> Values:
    """Return share · normalized scores of n rows, for scores that are the same for every history."""
    normalized = np.zeros(n, np.float32)
    rows, values = get_positive_entries(np.asarray(scores, np.float32)[None, :])
    if not len(rows):
        return normalized
    if normalization == "rank":
        rows, values = _weigh_ranks(rows, values)
        normalized[rows] = np.float32(share) * values
    else:
        normalized[rows] = values * (np.float32(share) / np.float32(max(float(values.max()), float(TINY))))
    return normalized


def find_max_width(ensembles: Sequence[OnlineEnsemble]) -> int:
    """Return how wide a workspace must be for all of these ensembles."""
    return max((ensemble.width for ensemble in ensembles), default=0)


__all__ = [
    "DeadlineExceededError",
    "MainCause",
    "MainCauses",
    "OnlineEnsemble",
    "ScoredHistory",
    "Workspace",
    "find_max_width",
]
