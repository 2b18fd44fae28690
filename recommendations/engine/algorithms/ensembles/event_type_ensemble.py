"""Wraps any algorithm with separate weights and decay for views, carts and purchases."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import (
    ALGORITHMS,
    Algorithm,
    Array,
    Attribution,
    Scores,
    WrongModelError,
    register,
    require_weight,
    restore,
)
from recommendations.engine.algorithms.spec import AlgorithmSpec
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products


@register
class EventTypeEnsemble(Algorithm):
    """score(u, i) is the `component`'s for the history u under EventWeights(history_weights, history_half_life_days, history_quantity).

    The component learns from `EventWeights`(weights, half_life_days, quantity). component: {"algorithm": registered name,
    "parameters": {…}}; kinds without a weight count 1. Both sets of weights are tuned on validation data (`event_weights`).
    Source: confidence by feedback, Hu, Koren & Volinsky, ICDM 2008; separate weights for the history are our own.
    """

    name = "event-types"
    fitted = ("component_",)
    spec = AlgorithmSpec(
        label=translatable("Event weights"),
        not_tried="Training tunes the event weights once for all algorithms, before it tunes each of them.",
    )

    def __init__(
        self,
        component: Mapping[str, Any],
        weights: Mapping[str, float] | None = None,
        half_life_days: float | None = None,
        history_weights: Mapping[str, float] | None = None,
        history_half_life_days: float | None = None,
        quantity: float = 1.0,
        history_quantity: float = 1.0,
    ):
        self.component = component
        self.weights = weights
        self.half_life_days = half_life_days
        self.history_weights = history_weights
        self.history_half_life_days = history_half_life_days
        self.quantity = quantity
        self.history_quantity = history_quantity

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        weighted = EventWeights(self.weights or {}, self.half_life_days, self.quantity).of(interactions)
        component = ALGORITHMS[self.component["algorithm"]](**self.component["parameters"])
        self.component_: Algorithm = component.fit(weighted, products)
        return self

    def score(self, histories: Histories) -> Scores:
        self.require_fit()
        return self.component_.score(self._weigh_histories(histories))

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        self.require_fit()
        return self.component_.score_item(self._weigh_histories(histories), item)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        return self.component_.attribute(self._weigh_histories(history), items)

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        self.require_fit()
        arrays, saved = self.component_.to_arrays()
        return arrays, {"algorithm": self.name, "parameters": self.get_parameters(), "component": saved}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        if saved.get("algorithm") != cls.name or "component" not in saved:
            raise WrongModelError(f"algorithm is {saved.get('algorithm')!r}, {cls.__name__} reads {cls.name!r}")
        model = cls(**saved["parameters"])
        model.component_ = restore(arrays, saved["component"])
        return model

    def _weigh_histories(self, histories: Histories) -> Histories:
        weights = EventWeights(self.history_weights or {}, self.history_half_life_days, self.history_quantity)
        return weights.of_histories(histories)
