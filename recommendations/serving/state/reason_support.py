"""Checks reasons that mention other customers against the counts of the active model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.algorithms.base import VISIT_PREFIX, get_reason
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.spec import ExplanationReason
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.cause_kernels import find_reason_causes
from recommendations.engine.online.ensemble_scorer import MIN_CAUSE_SHARE, SPECIFIC_LIFT, ScoredHistory
from recommendations.engine.pair_support.support import (
    MIN_PEOPLE,
    PARTNER_COMPONENTS,
    PairSupport,
    SupportLevel,
    select_partners,
)
from recommendations.engine.pair_support.support_table import SupportTable
from recommendations.serving.reason_claims import PAIR_CLAIMS
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.product_index import ProductIndex

MIN_COSINE = 0.3  # between the contents of two products that can be called similar
MAX_CACHED_CATEGORIES = 4096
POPULAR_SHARE = 0.2  # the best-selling fifth of a category is popular in it
MIN_WHOLE_SHARE = 0.5  # of a score; a product that caused this much of it is the reason, even if most people buy it


class RowCauses(NamedTuple):
    """The causes behind the reasons of rows: the lines of `find_reason_causes`, each row's line number, and the reason of each source."""

    lines: list[list[int]]
    numbers: list[int]
    reasons: Sequence[ExplanationReason]


@dataclass(frozen=True, eq=False)
class ReasonSupport:
    """Determines what reasons can claim, from a model's counts. minimum: number of orders or people that "often" and "popular" require."""

    model: ServingModel | None
    minimum: int

    @cached_property
    def has_pairs(self) -> bool:
        """Whether the model counts the orders and people of pairs bought together."""
        return self.find_support("co-purchase") is not None

    def find_support(self, source: str) -> PairSupport | None:
        """Return the pair counts of a component; if it has none, those of the component that its claim refers to."""
        if self.model is None:
            return None
        components = self.model.blend.components_
        claim = PAIR_CLAIMS.get(get_reason(source))
        for name in (source.removeprefix(VISIT_PREFIX), claim.component if claim is not None else ""):
            if name in components and components[name].support_ is not None:
                return components[name].support_
        return None

    @cached_property
    def claimed_supports(self) -> dict[str, PairSupport]:
        """The counts of each component whose reason claims something about other customers; components without counts are left out."""
        names = self.model.blend.components_ if self.model is not None else ()
        return {name: support for name in names if (support := self._find_claimed_support(name)) is not None}

    def _find_claimed_support(self, source: str) -> PairSupport | None:
        """Return the counts of a component whose causes claim something about other customers; None for any other one."""
        if source not in self._claimed_supports:
            is_claim = get_reason(source) in PAIR_CLAIMS
            self._claimed_supports[source] = self.find_support(source) if is_claim else None
        return self._claimed_supports[source]

    def find_row_causes(self, scored: ScoredHistory, rows: Rows, *, is_related: bool) -> RowCauses:
        """Return the main causes of the scores of rows, graded; rows with the same reason share a line.

        is_related: whether the rows are products related to those in the request; their causes are not replaced by more specific ones.
        """
        parts, names, items = scored.attribute_rows(rows)
        key = tuple(names)
        sources = self._sources.get(key)
        if sources is None:
            supports = [self._find_claimed_support(name) for name in names]
            table = SupportTable(supports, [name in self.claimed_supports for name in names])
            sources = self._sources[key] = table, [get_reason(name) for name in names]
        history = scored.history
        lines, numbers = find_reason_causes(
            parts, items, rows, sources[0].rows, MIN_CAUSE_SHARE, SPECIFIC_LIFT, MIN_PEOPLE, self.minimum,
            MIN_WHOLE_SHARE, self._people, history.item, history.kind, is_related,
        )  # fmt: skip
        return RowCauses(lines.tolist(), numbers.tolist(), sources[1])

    def select_partners(self, rows: Rows, n: int) -> Flags:
        """Return which of n rows at least two people chose together with any of the given ones."""
        supports = [self.find_support(name) for name in PARTNER_COMPONENTS]
        return select_partners([support for support in supports if support is not None], rows, n)

    def are_similar(self, rows: Rows, starts: Rows) -> Flags:
        """Return which rows may be called similar to one of the start products.

        Their contents are close, or enough people chose both, and more than chance explains. Rows unknown to the model count as
        similar, and so do all rows if there is no content model.
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
        """Return which of n rows more than one person viewed or bought, or the model does not know. Never write to this cached array."""
        flags = self._chosen_by_several.get(n)
        if flags is None:
            known = self._people[:n] >= MIN_PEOPLE
            # only one n is cached: the current size of the catalog
            self._chosen_by_several.clear()
            flags = self._chosen_by_several[n] = np.append(known, np.ones(n - len(known), np.bool_))
        return flags

    @cached_property
    def _chosen_by_several(self) -> dict[int, Flags]:
        return {}

    def is_popular_in_category(self, row: int, path: str, products: ProductIndex) -> bool:
        """Return whether a product of the category, or of one below it, is among the most popular fifth there."""
        if not self.is_popular(row):
            return False
        key = path, products.generation
        least = self._popular_from.get(key)
        if least is None:
            if len(self._popular_from) >= MAX_CACHED_CATEGORIES:
                self._popular_from.clear()
            is_inside = products.find_in_category(path)[: len(self._people)]
            least = self._popular_from[key] = find_popular_count(self._people[: len(is_inside)][is_inside])
        return self.count_people(row) >= least

    @cached_property
    def _popular_from(self) -> dict[tuple[str, int], float]:
        """The number of people from which a product is popular in a category; counted once, because a request has several products of it."""
        return {}

    def is_similar(self, first: int, second: int) -> bool:
        """Return whether the content of two products is similar."""
        content = self.model.blend.components_.get("content") if self.model is not None else None
        if not isinstance(content, Content) or max(first, second) >= len(content.document_):
            return False
        rows = content.document_[[first, second]]
        pair = content.vectors_[rows, :]
        return float((pair[[0], :] @ pair[[1], :].T).sum()) >= MIN_COSINE

    @cached_property
    def _sources(self) -> dict[tuple[str, ...], tuple[SupportTable, list[ExplanationReason]]]:
        return {}

    @cached_property
    def _claimed_supports(self) -> dict[str, PairSupport | None]:
        return {}

    @cached_property
    def _people(self) -> npt.NDArray[np.integer]:
        return self.model.people if self.model is not None else np.empty(0, np.int32)


def find_popular_count(people: npt.NDArray[np.integer]) -> float:
    """Return the smallest number of people of the products in the first fifth of a category, infinity if none is.

    people: of each product of the category. Products with equally many have the mean of their places, so a category whose products are all
    equal has no popular one. A first place without ties always counts.
    """
    values, counts = np.unique(people, return_counts=True)
    n_before = len(people) - np.cumsum(counts) + (counts - 1) / 2
    popular = values[n_before < max(POPULAR_SHARE * len(people), 1.0)]
    return float(popular[0]) if len(popular) else np.inf
