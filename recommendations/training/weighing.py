"""How much a view, a cart or a purchase of several pieces counts beside one purchase: chosen on the validation part."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np

from recommendations.engine import KIND_CODES, KINDS, Interactions

# where nothing can be learnt: a shop that has no clicks before the cut
USUAL_KINDS: Mapping[str, float] = {
    "view": 0.2,
    "click": 0.2,
    "wishlist": 0.4,
    "cart": 0.6,
    "purchase": 1.0,
    "rating": 1.0,
}
KIND_STEPS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0)
QUANTITY_STEPS = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Weighing:
    """weight → kinds[kind] · weight^quantity for purchases, whose weight is the number of pieces; kinds[kind] · weight for the rest."""

    kinds: Mapping[str, float] = field(default_factory=lambda: dict(USUAL_KINDS))
    quantity: float = 0.0

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Of a row of a search; what it does not name is as usual."""
        chosen = {kind: parameters.get(kind, usual) for kind, usual in USUAL_KINDS.items()}
        return cls(chosen, parameters.get("quantity", 0.0))

    def of(self, interactions: Interactions) -> Interactions:
        """The same interactions with these weights; those that count nothing are left out."""
        factors = np.array([self.kinds.get(kind, 0.0) for kind in KINDS], np.float32)
        pieces = np.where(interactions.kind == KIND_CODES["purchase"], self.quantity, 1.0)
        weight = (factors[interactions.kind] * interactions.weight**pieces).astype(np.float32)
        counts = weight > 0
        return replace(interactions.subset(counts), weight=weight[counts])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def weighing_space(interactions: Interactions) -> dict[str, tuple[float, ...]]:
    """What there is to choose: a weight for each kind that occurs beside purchases, and what quantity counts where it differs from 1."""
    counts = np.bincount(interactions.kind, minlength=len(KINDS))
    space: dict[str, tuple[float, ...]] = {
        kind: KIND_STEPS for kind in KINDS if kind != "purchase" and counts[KIND_CODES[kind]]
    }
    if not counts[KIND_CODES["purchase"]]:  # the worth of one kind alone makes no difference
        space = dict(list(space.items())[:-1])
    bought = interactions.kind == KIND_CODES["purchase"]
    if (interactions.weight[bought] != 1).any():
        space["quantity"] = QUANTITY_STEPS
    return space
