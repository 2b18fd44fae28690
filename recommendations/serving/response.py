"""Responses of serving before they are encoded as JSON."""

from dataclasses import dataclass, field
from typing import NamedTuple

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
    who refused personalization or was erased.
    """

    recommendation_id: str
    scenario: str
    strategy: str
    fallback: str | None
    model_version: str
    took_ms: float
    items: list[RecommendedItem] = field(default_factory=list)
    next_cursor: str | None = None
    fallback_reason: str | None = None
    empty_reason: EmptyListReason | None = None
    stale: bool = False
    categories: list[RecommendedCategory] | None = None
    left_out: list[tuple[str, str]] | None = None
    state: ServingState | None = field(default=None, repr=False, compare=False)
    is_identifiable: bool = True
