"""Two-step random walk over item transitions, for items too rare to have many transitions of their own."""

from typing import Self

import numpy as np

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import register
from recommendations.engine.algorithms.sequences.transitions import Transitions
from recommendations.engine.algorithms.spec import (
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
    estimate_transitions_mb,
)
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.sparse import invert_entries, multiply_top_k_rows, scale_rows


@register
class TransitionWalk(Transitions):
    """score(u, j) = Σ_i h_ui · (P²)_ij, the k largest of each row; P is T of `Transitions` with its `branches` largest per row, normalized.

    The rows of P sum to 1. A pair that no single visit contains gets a score through items that occur with both. h and the parameters
    shared with `Transitions` are explained there. Source: random walks on an item graph, Gori & Pucci, "ItemRank", IJCAI 2007, here
    with two steps.
    """

    name = "transition-walk"
    spec = AlgorithmSpec(
        label=translatable("Product after next (two transitions)"),
        reason=ExplanationReason.CHOSEN_NEXT,
        search=SearchSpace(
            order=130,
            start={
                "k": 100,
                "branches": 30,
                "reach": 3,
                "decay": 0.8,
                "backward": 0.5,
                "recency": 0.8,
                "target_damping": 0.1,
            },
            values={
                "recency": (0.5, 0.7, 0.8, 0.9, 1.0),
                "reach": (1, 2, 3, 5, 10, 20),
                "branches": (10, 30, 100),
                "target_damping": (0.0, 0.1, 0.3, 0.5),
                "decay": (0.5, 0.8, 0.9, 1.0),
            },
            estimate_mb=estimate_transitions_mb,
            scoring_only=frozenset({"recency"}),
        ),
    )

    def __init__(
        self,
        k: int = 200,
        branches: int = 30,
        reach: int = 20,
        decay: float = 0.8,
        backward: float = 0.5,
        length_damping: float = 0.5,
        source_damping: float = 0.5,
        target_damping: float = 0.3,
        smoothing: float = 10.0,
        recency: float = 0.6,
        half_life_days: float | None = None,
        history_half_life_days: float | None = None,
    ):
        self.k = k
        self.branches = branches
        self.reach = reach
        self.decay = decay
        self.backward = backward
        self.length_damping = length_damping
        self.source_damping = source_damping
        self.target_damping = target_damping
        self.smoothing = smoothing
        self.recency = recency
        self.half_life_days = half_life_days
        self.history_half_life_days = history_half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        if self.k < 1 or self.branches < 1:
            raise ValueError(f"k and branches must be at least 1, got {self.k} and {self.branches}")
        shared = {name: value for name, value in self.get_parameters().items() if name not in ("k", "branches")}
        single = (
            Transitions(k=self.branches, similarity_weight=0.0, substitutes=0.0, **shared).fit(interactions).neighbors_
        )
        step = scale_rows(single, invert_entries(np.asarray(single.sum(axis=1)).ravel()))
        self.neighbors_ = multiply_top_k_rows(step, step, self.k)
        self.support_ = None
        return self
