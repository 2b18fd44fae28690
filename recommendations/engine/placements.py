"""The placements: the input of each, its ensemble before the first training, and its fallback.

Training tunes the weights of each placement on validation data and evaluates it against its fallback.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PlacementInput(StrEnum):
    """The input of a placement's scores: the customer's history, the products of the request, or nothing."""

    HISTORY = "history"
    PRODUCTS = "products"
    NOTHING = "nothing"


@dataclass(frozen=True)
class PlacementDefinition:
    """Definition of a placement.

    weights: component → its share before the first training; those of for-you come with the model. fallback: the placement used when
    this one has no items or is switched off. only_own: only products the customer has bought before. max_purchased_share: the largest share of
    positions with products the customer has bought before, unless the settings say otherwise.
    """

    name: str
    start: PlacementInput
    fallback: str | None
    weights: Mapping[str, float] = field(default_factory=dict)
    only_own: bool = False
    max_purchased_share: float = 1.0


# The components that score the current visit until a training has learned them: products like those just viewed.
VISIT_WEIGHTS: Mapping[str, float] = {"content": 0.6, "item-knn": 0.4}
DEFAULT_VISIT_SHARE = 0.3  # at least this share of the positions of for-you goes to the visit

FOR_YOU, SIMILAR, BOUGHT_TOGETHER, CART, BUY_AGAIN = "for-you", "similar", "bought-together", "cart", "buy-again"
TRENDING, POPULAR, NEW, RECENTLY_VIEWED, CATEGORIES = "trending", "popular", "new", "recently-viewed", "categories"

PLACEMENTS: dict[str, PlacementDefinition] = {
    scenario.name: scenario
    for scenario in (
        PlacementDefinition(FOR_YOU, PlacementInput.HISTORY, POPULAR, max_purchased_share=0.3),
        PlacementDefinition(SIMILAR, PlacementInput.PRODUCTS, POPULAR, {"content": 0.6, "item-knn": 0.4}),
        PlacementDefinition(BOUGHT_TOGETHER, PlacementInput.PRODUCTS, SIMILAR, {"co-purchase": 1.0}),
        PlacementDefinition(
            CART, PlacementInput.PRODUCTS, POPULAR, {"co-purchase": 0.5, "item-knn": 0.3, "transitions": 0.2}
        ),
        PlacementDefinition(
            BUY_AGAIN, PlacementInput.HISTORY, FOR_YOU, {"repeat-rhythm": 0.8, "repeat": 0.2}, only_own=True
        ),
        PlacementDefinition(TRENDING, PlacementInput.NOTHING, POPULAR, {"trending": 1.0}),
        PlacementDefinition(POPULAR, PlacementInput.NOTHING, None, {"popularity": 1.0}),
        PlacementDefinition(NEW, PlacementInput.NOTHING, POPULAR),
        PlacementDefinition(RECENTLY_VIEWED, PlacementInput.HISTORY, POPULAR),
        PlacementDefinition(CATEGORIES, PlacementInput.HISTORY, POPULAR),
    )
}
