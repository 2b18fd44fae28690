"""The data that placements are tuned and evaluated on: the shop, and windows of its history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recommendations.engine import Algorithm, Interactions, Products
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.data.time_split import TimeSplit

CATEGORY_LEVEL = 2  # of the category paths


@dataclass(frozen=True, eq=False)
class ShopData:
    """The data placements are evaluated on. interactions: recorded weights; published: seconds since 1970 per product, NaN if unknown."""

    interactions: Interactions
    products: Products
    split: TimeSplit
    published: npt.NDArray[np.float64] | None = None

    @cached_property
    def categories(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return the category of each product cut to CATEGORY_LEVEL, -1 without one, and the paths."""
        products = self.products
        if products.category is None or products.categories is None:
            return np.full(self.interactions.n_items, -1, np.int32), []
        paths = [" > ".join(path.split(" > ")[:CATEGORY_LEVEL]) for path in products.categories.get_ids()]
        names = sorted({path for path in paths if path})
        row_of_name = {name: row for row, name in enumerate(names)}
        row_of_path = np.array([row_of_name.get(path, -1) for path in paths], np.int32)
        return np.where(products.category >= 0, row_of_path[products.category], -1).astype(np.int32), names


@dataclass(frozen=True, eq=False)
class EvaluationWindow:
    """Past and future of one split point with recorded weights.

    weighted: the past under the event weights; components: algorithms fitted on it.
    """

    past: Interactions
    weighted: Interactions
    future: Interactions
    components: Mapping[str, Algorithm] = field(default_factory=dict)

    @classmethod
    def from_interactions(
        cls,
        interactions: Interactions,
        event_weights: EventWeights,
        *,
        start: float,
        stop: float,
        components: Mapping[str, Algorithm] | None = None,
    ) -> "EvaluationWindow":
        """Return the window from ``start`` until before ``stop``, with everything before it as past."""
        past = interactions.before(start)
        future = interactions.select((interactions.order >= start) & (interactions.order < stop)).weigh_before(stop)
        return cls(past, event_weights.of(past), future, components or {})
