"""The boosts of a request as factors on scores."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recommendations.serving.expressions.expression import Boost, BoundBoost, bind_boosts

type Factors = npt.NDArray[np.float32]


class BoostedProducts(Protocol):
    """Products with cached boosts; see `state.product_index`."""

    def get_boosts(self, bound: BoundBoost) -> Factors: ...


def multiply_by_boosts(
    factors: Factors | None, boosts: tuple[Boost, ...], products: BoostedProducts, now: datetime
) -> Factors | None:
    """Return the factors of the rules times the boosts of a request, by row; None if it is 1 everywhere."""
    if not boosts:
        return factors
    boost_factors = products.get_boosts(bind_boosts(boosts, now))
    return boost_factors if factors is None else factors * boost_factors


def list_item_boosts(
    rows: Iterable[int], boosts: tuple[Boost, ...], products: BoostedProducts, now: datetime
) -> dict[int, float]:
    """Return the boost of each known row, to explain its score; empty for a request without boosts."""
    if not boosts:
        return {}
    factors = products.get_boosts(bind_boosts(boosts, now))
    return {row: float(factors[row]) for row in rows if row >= 0}
