"""Responses of serving before they are encoded as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count, repeat
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.experiments.assignment import RunningExperiment, VariantAssignment
from recommendations.serving.pipeline.fallback import EmptyListReason
from recommendations.serving.pipeline.reasons import ItemReason
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.product_index import ProductCard


class RecommendedItem(NamedTuple):
    """A product of a response; row is its row in the product index, -1 for an unknown product.

    boost: the factor on its score by the boosts of the request; None without boosts.
    """

    product_id: str
    rank: int
    score: float
    card: ProductCard | None
    reason: ItemReason | None
    row: int = -1
    boost: float | None = None


make_item = partial(tuple.__new__, RecommendedItem)  # like RecommendedItem(…), but without calling Python code


class ItemColumns(Sequence[RecommendedItem]):
    """Items with consecutive ranks as columns; each item is made when it is read, because most responses are only encoded.

    scores: (n,). cards: of all rows. reasons, boosts: by row. row_numbers: `rows` as an array. are_catalog_ids: every product is in the
    catalog and has its name there.
    """

    def __init__(
        self,
        product_ids: Sequence[str],
        first_rank: int,
        scores: npt.NDArray[np.floating],
        cards: Sequence[ProductCard | None],
        reasons: Mapping[int, ItemReason],
        rows: Sequence[int],
        boosts: Mapping[int, float],
        *,
        row_numbers: Rows,
        are_catalog_ids: bool,
    ) -> None:
        self.product_ids, self.first_rank, self.scores, self.cards = product_ids, first_rank, scores, cards
        self.reasons: list[ItemReason | None] = list(map(reasons.get, rows))
        self.rows, self.row_numbers, self.are_catalog_ids = rows, row_numbers, are_catalog_ids
        self.boosts: list[float | None] = list(map(boosts.get, rows)) if boosts else []

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> RecommendedItem: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RecommendedItem]: ...
    def __getitem__(self, index: int | slice) -> RecommendedItem | Sequence[RecommendedItem]:
        return self._items[index]

    def __eq__(self, other: object) -> bool:
        return self._items == (list(other) if isinstance(other, Sequence) else other)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _items(self) -> list[RecommendedItem]:
        columns = zip(
            self.product_ids,
            count(self.first_rank),
            self.scores.tolist(),
            [self.cards[row] if row >= 0 else None for row in self.rows],
            self.reasons,
            self.rows,
            self.boosts or repeat(None),
            strict=False,
        )
        return list(map(make_item, columns))


@dataclass(frozen=True)
class RecommendedCategory:
    """A category of a response, with its best products."""

    category: str
    rank: int
    score: float
    reason: ItemReason | None
    product_ids: list[str]


@dataclass(frozen=True)
class RecommendationResponse:
    """The items of one placement and how they were chosen.

    fallback: the placement that replaced the requested one. empty_reason: why there are no items.
    stale: computed from memory while the database is unreachable.
    left_out: products of a list to rank that must not be shown, each with the reason. is_identifiable: False for a visitor
    who refused personalization or was erased. assignments: the variants of the experiments that decided about it.
    propensities: (number of the item from 1 on, probability) of each item that was chosen at random. interleaved: the experiment whose two
    rankings the list merges, and teams the one that contributed each item.
    """

    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    model_version: str
    took_ms: float
    items: Sequence[RecommendedItem] = ()
    next_cursor: str | None = None
    fallback_reason: str | None = None
    empty_reason: EmptyListReason | None = None
    stale: bool = False
    categories: list[RecommendedCategory] | None = None
    left_out: list[tuple[str, str]] | None = None
    state: ServingState | None = field(default=None, repr=False, compare=False)
    is_identifiable: bool = True
    assignments: tuple[VariantAssignment, ...] = ()
    propensities: tuple[tuple[int, float], ...] = field(default=(), repr=False, compare=False)
    interleaved: RunningExperiment | None = field(default=None, repr=False, compare=False)
    teams: tuple[int, ...] = field(default=(), repr=False, compare=False)
