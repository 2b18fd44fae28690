"""The places of a shop in which something is recommended: what each starts from, what it is made of, what takes over.

A training chooses the weights of each on a validation part and judges it against its fallback; these are where it starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PlacementInput(StrEnum):
    """What the scores of a place start from: what the person did, the products that are named, or nothing."""

    HISTORY = "history"
    PRODUCTS = "products"
    NOTHING = "nothing"


@dataclass(frozen=True)
class PlacementDefinition:
    """A place of the shop.

    weights: part of the model → its share, before a training has chosen. Of for-you they are those of the model. fallback: the place
    that takes over where this one has nothing to say, or is switched off. only_own: nothing but what the person has bought before.
    """

    name: str
    start: PlacementInput
    fallback: str | None
    weights: Mapping[str, float] = field(default_factory=dict)
    only_own: bool = False


FOR_YOU, SIMILAR, BOUGHT_TOGETHER, CART, BUY_AGAIN = "for-you", "similar", "bought-together", "cart", "buy-again"
TRENDING, POPULAR, NEW, RECENTLY_VIEWED, CATEGORIES = "trending", "popular", "new", "recently-viewed", "categories"

PLACEMENTS: dict[str, PlacementDefinition] = {
    scenario.name: scenario
    for scenario in (
        PlacementDefinition(FOR_YOU, PlacementInput.HISTORY, POPULAR),
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
