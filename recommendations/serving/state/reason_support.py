"""The counts of the active model that reasons about other customers are checked against."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.algorithms.base import VISIT_PREFIX, get_reason
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.ensemble_scorer import SPECIFIC_LIFT, MainCauses
from recommendations.engine.pair_support.support import (
    MIN_PEOPLE,
    PARTNER_COMPONENTS,
    PairSupport,
    SupportLevel,
    select_partners,
)
from recommendations.serving.reason_claims import PAIR_CLAIMS
from recommendations.serving.state.model import ServingModel

MIN_COSINE = 0.3  # of the content of two products that may be called similar
POPULAR_SHARE = 0.2  # the best-selling fifth of a category is popular in it


class CauseSupport(NamedTuple):
    """level: what the cause's pair allows to say. is_general: enough people say that the cause is related to everything, not to this."""

    level: SupportLevel
    is_general: bool = False


NO_CLAIM = CauseSupport(SupportLevel.NONE)
CAUSE_SUPPORTS = {(int(level), flag): CauseSupport(level, flag) for level in SupportLevel for flag in (False, True)}


@dataclass(frozen=True, eq=False)
class ReasonSupport:
    """What a model's counts allow reasons to say. minimum: orders or people that "often" and "popular" need."""

    model: ServingModel | None
    minimum: int

    @cached_property
    def has_pairs(self) -> bool:
        """Whether the model counts the orders and people of pairs bought together."""
        return self.find_support("co-purchase") is not None

    def find_support(self, source: str) -> PairSupport | None:
        """Return the counts of a component's pairs, or those of the component that its claim names."""
        if self.model is None:
            return None
        components = self.model.blend.components_
        claim = PAIR_CLAIMS.get(get_reason(source))
        for name in (source.removeprefix(VISIT_PREFIX), claim.component if claim is not None else ""):
            if name in components and components[name].support_ is not None:
                return components[name].support_
        return None

    def grade_causes(self, causes: MainCauses, rows: Rows) -> list[CauseSupport]:
        """Return how well each row's cause supports a claim about other customers; level NONE for causes that make none."""
        levels, is_general = self.grade_cause_columns(causes, rows)
        return [
            CAUSE_SUPPORTS[level, general] for level, general in zip(levels.tolist(), is_general.tolist(), strict=True)
        ]

    def grade_cause_columns(self, causes: MainCauses, rows: Rows) -> tuple[npt.NDArray[np.int8], Flags]:
        """Return `grade_causes` as columns: the levels, and which causes are general."""
        levels, is_general = np.zeros(len(rows), np.int8), np.zeros(len(rows), np.bool_)
        for number, source in enumerate(causes.names):
            support = self._find_claimed_support(source)
            if support is not None:
                support.grade_pairs(
                    causes.items, rows, causes.sources, number,
                    minimum=self.minimum, specific_lift=SPECIFIC_LIFT, out=(levels, is_general),
                )  # fmt: skip
        return levels, is_general

    @cached_property
    def claimed_supports(self) -> dict[str, PairSupport]:
        """The counts of every component whose reason is a claim about other customers, if it has any."""
        names = self.model.blend.components_ if self.model is not None else ()
        return {name: support for name in names if (support := self._find_claimed_support(name)) is not None}

    def _find_claimed_support(self, source: str) -> PairSupport | None:
        """Return the counts of a component whose causes claim something about other customers; None for any other one."""
        if source not in self._claimed_supports:
            is_claim = get_reason(source) in PAIR_CLAIMS
            self._claimed_supports[source] = self.find_support(source) if is_claim else None
        return self._claimed_supports[source]

    def are_popular(self, rows: Rows) -> Flags:
        """Return for each row what `is_popular` does."""
        people = self._people
        if not len(people):
            return np.zeros(len(rows), np.bool_)
        return (people.take(rows, mode="clip") >= self.minimum) & (rows >= 0) & (rows < len(people))

    def select_partners(self, rows: Rows, n: int) -> Flags:
        """Return which of n rows at least two people chose together with any of the given ones."""
        supports = [self.find_support(name) for name in PARTNER_COMPONENTS]
        return select_partners([support for support in supports if support is not None], rows, n)

    def are_similar(self, rows: Rows, starts: Rows) -> Flags:
        """Return which rows may be called similar to one of the start products.

        Their content is near, or enough people chose both, more than by chance. Rows that the model does not know are similar, as are
        all rows without a content model.
        """
        content = self.model.blend.components_.get("content") if self.model is not None else None
        if not isinstance(content, Content):
            return np.ones(len(rows), np.bool_)
        document, neighbors = content.document_, content.neighbors_
        near = [neighbors.indices[neighbors.indptr[text] : neighbors.indptr[text + 1]] for text in document[starts]]
        flags = rows >= len(document)
        flags[~flags] = are_members(document[rows[~flags]], document[np.concatenate(near)])
        others = (~flags).nonzero()[0]
        if len(others):
            firsts, seconds = np.repeat(starts, len(others)), np.tile(rows[others], len(starts))
            for support in self.claimed_supports.values():
                is_often = support.find(firsts, seconds).grade(self.minimum) == SupportLevel.OFTEN
                flags[others] |= is_often.reshape(len(starts), len(others)).any(axis=0)
        return flags

    def is_popular(self, row: int) -> bool:
        """Return whether enough people viewed or bought the product."""
        return self.count_people(row) >= self.minimum

    def count_people(self, row: int) -> int:
        """Return how many people viewed or bought a product before the training."""
        people = self._people
        return int(people[row]) if 0 <= row < len(people) else 0

    def find_chosen_by_several(self, n: int) -> Flags:
        """Return which of n rows more than one person viewed or bought; all rows that the model does not know. Never write to it."""
        flags = self._chosen_by_several.get(n)
        if flags is None:
            known = self._people[:n] >= MIN_PEOPLE
            # one number of rows at a time: that of the catalog
            self._chosen_by_several.clear()
            flags = self._chosen_by_several[n] = np.append(known, np.ones(n - len(known), np.bool_))
        return flags

    @cached_property
    def _chosen_by_several(self) -> dict[int, Flags]:
        return {}

    def is_popular_in_category(self, row: int, category: Rows) -> bool:
        """Return whether the product is among the most popular fifth of its category. category: code of each row, -1 for none."""
        if not self.is_popular(row) or category[row] < 0:
            return False
        people = self._people
        rivals = people[category[: len(people)] == category[row]]
        return int((rivals > people[row]).sum()) < max(POPULAR_SHARE * len(rivals), 1.0)

    def is_similar(self, first: int, second: int) -> bool:
        """Return whether the content of two products is similar."""
        content = self.model.blend.components_.get("content") if self.model is not None else None
        if not isinstance(content, Content) or max(first, second) >= len(content.document_):
            return False
        rows = content.document_[[first, second]]
        pair = content.vectors_[rows, :]
        return float((pair[[0], :] @ pair[[1], :].T).sum()) >= MIN_COSINE

    @cached_property
    def _claimed_supports(self) -> dict[str, PairSupport | None]:
        return {}

    @cached_property
    def _people(self) -> npt.NDArray[np.integer]:
        return self.model.people if self.model is not None else np.empty(0, np.int32)
