"""The weights of popularity and taste that search serves: the defaults, or those learned from clicks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.serving.experiments.names import PERSONAL, POPULARITY
from recommendations.serving.search.models import SearchOrder

PERSONAL_WEIGHT = 0.5  # a product with the highest personal score gets 1.5 times its text score
POPULARITY_WEIGHT = 1.0

type Factors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class OrderWeights:
    """Exponents of the two factors; with 1 a factor counts as by default, with 0 not at all. learned_at: of the row they come from."""

    popularity: float = 1.0
    personal: float = 1.0
    learned_at: datetime | None = None

    def weigh(self, factors: Mapping[str, Factors]) -> dict[str, Factors]:
        """Return the factors by name, with popularity and personal raised to their exponents."""
        exponents = {"popularity": self.popularity, "personal": self.personal}
        return {name: raise_to(factor, exponents.get(name, 1.0)) for name, factor in factors.items()}


DEFAULT_ORDER = OrderWeights()


def vary_order(order: OrderWeights, config: Mapping[str, Any]) -> OrderWeights:
    """Return the weights with those of an experiment's variant."""
    return OrderWeights(
        float(config.get(POPULARITY, order.popularity)), float(config.get(PERSONAL, order.personal)), order.learned_at
    )


def compute_popularity_factor(scores: Factors) -> Factors:
    """Return the factor on the word score for popularity from 0 to 1, with the exponent 1."""
    return 1 + np.float32(POPULARITY_WEIGHT) * scores


def compute_personal_factor(scores: Factors) -> Factors:
    """Return the factor on the word score for personal scores from 0 to 1, with the exponent 1."""
    return 1 + np.float32(PERSONAL_WEIGHT) * scores


def raise_to(factors: Factors, exponent: float) -> Factors:
    return factors if exponent == 1.0 else factors ** np.float32(exponent)


def load_order_weights() -> OrderWeights:
    """Return the weights of a promoted experiment, else those learned last if they are better than the defaults; one query."""
    served = SearchOrder.objects.filter(is_served=True).order_by("-is_promoted")
    row = served.values_list("popularity", "personal", "learned_at").first()
    return OrderWeights(*row) if row is not None else DEFAULT_ORDER
