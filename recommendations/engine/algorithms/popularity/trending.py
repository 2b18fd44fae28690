"""Trending items: more recent activity than their past predicts; for visitors without a history."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Attribution, Scores, UpdatableAlgorithm, register, require_weight
from recommendations.engine.algorithms.spec import AlgorithmSpec, ExplanationReason
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import DAY, decay_weights


@register
class Trending(UpdatableAlgorithm):
    """score(i) = ρ_i · (λ + e_i)^η where ρ_i > `least`, else no score.

    The window is the last `window_days` before as_of. With s_ui the weight of user u's interactions with i in it, r_i = Σ_u s_ui and
    n_i = r_i² / Σ_u s_ui² is the effective number of users: a hundred clicks of one user count as one user. e_i is the number that
    the past predicts in the same unit: e_i = (n_i / r_i) · P_i · Σr / ΣP, P_i = Σ weight · 2^(−age / `half_life_days`) before the
    window, so a season that lifts all products lifts none (the unit does not matter for an item without users in the window). The ratio
    of actual to expected has the prior Gamma(λ, λ) with mean 1 and λ `shrinkage`, hence the posterior Gamma(λ + n_i, λ + e_i); ρ_i is its
    quantile `doubt`: with 0.05 the ratio is larger with a probability of 95%, so a few coincident users change it little. η `level`
    weighs the number of users: 0 ranks by the ratio alone, 1 by the lower bound of the number of users.

    Edge cases: without data before the window nothing has a score. A new product has P = 0, so it trends as soon as enough users
    choose it. No user in the window: no score. The history is ignored. Sources: Gamma-Poisson shrinkage and its lower 5% bound, EB05: DuMouchel,
    "Bayesian Data Mining in Large Frequency Tables", The American Statistician 1999 (here with one Gamma instead of two); effective
    number of weighted counts: Kish, Survey Sampling, 1965, 11.7. The combination of both, and η, are our own.
    """

    name = "trending"
    fitted = ("past_", "user_", "item_", "order_", "weight_", "as_of_", "scores_")
    spec = AlgorithmSpec(
        label=translatable("Trending products"),
        reason=ExplanationReason.TRENDING,
        not_tried="It ranks what is rising now, which the trending placement shows; it does not predict purchases of a later window.",
    )

    def __init__(
        self,
        window_days: float = 7.0,
        half_life_days: float | None = 56.0,
        shrinkage: float = 3.0,
        level: float = 0.5,
        doubt: float = 0.05,
        least: float = 1.0,
    ):
        self.window_days = window_days
        self.half_life_days = half_life_days
        self.shrinkage = shrinkage
        self.level = level
        self.doubt = doubt
        self.least = least

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        self._require_parameters()
        require_weight(interactions)
        self.past_ = np.zeros(interactions.n_items)
        self.user_, self.item_ = np.empty(0, np.int32), np.empty(0, np.int32)
        self.order_, self.weight_ = np.empty(0, np.float64), np.empty(0, np.float32)
        self.as_of_ = np.array([interactions.as_of])
        return self._move_window(interactions)

    def update(self, new_interactions: Interactions, *, since: float) -> Self:
        self.require_fit()
        model = type(self)(**self.get_parameters())
        for name in self.fitted:
            setattr(model, name, getattr(self, name))
        return model._move_window(new_interactions)

    def score(self, histories: Histories) -> Scores:
        self.require_histories(histories, len(self.scores_) if hasattr(self, "scores_") else 0)
        return np.broadcast_to(self.scores_, (len(histories), len(self.scores_)))

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        scores = np.maximum(self.scores_[None, list(items)], 0)
        return [Attribution(self.name, np.array([-1], np.int32), scores)]

    def _move_window(self, new_interactions: Interactions) -> Self:
        """Move the window to the as_of of the new interactions; what leaves it is added to the past."""
        begin = new_interactions.as_of - self.window_days * DAY
        previous_begin = float(self.as_of_[0]) - self.window_days * DAY
        user, item = np.append(self.user_, new_interactions.user), np.append(self.item_, new_interactions.item)
        order, weight = np.append(self.order_, new_interactions.order), np.append(self.weight_, new_interactions.weight)
        # past_ is as of the beginning of the window, so it first decays from the previous beginning to the new one.
        has_left = order < begin
        faded = decay_weights(weight[has_left].astype(np.float64), order[has_left], begin, self.half_life_days)
        self.past_ = decay_weights(self.past_, np.array(previous_begin), begin, self.half_life_days).astype(
            np.float64
        ) + np.bincount(item[has_left], faded, len(self.past_))
        self.user_, self.item_, self.order_, self.weight_ = (
            user[~has_left],
            item[~has_left],
            order[~has_left],
            weight[~has_left],
        )
        self.as_of_ = np.array([new_interactions.as_of])
        self.scores_ = self._compute_scores()
        return self

    def _compute_scores(self) -> npt.NDArray[np.float32]:
        """Return the score of each item, -inf where it does not trend."""
        scores = np.full(len(self.past_), -np.inf, np.float32)
        window_weights = np.bincount(self.item_, self.weight_, len(self.past_))
        if not self.past_.sum() or not window_weights.sum():
            return scores
        n_users = self._count_effective_users(window_weights)
        active = np.flatnonzero(n_users)
        n = n_users[active]
        expected = n / window_weights[active] * self.past_[active] * (window_weights.sum() / self.past_.sum())
        ratio = gammaincinv(self.shrinkage + n, self.doubt) / (self.shrinkage + expected)
        rising = ratio > self.least
        scores[active[rising]] = (ratio * (self.shrinkage + expected) ** self.level)[rising]
        return scores

    def _count_effective_users(self, window_weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return n_i, the effective number of users of each item in the window."""
        pair, pair_of_entry = np.unique(
            self.user_.astype(np.int64) * len(window_weights) + self.item_, return_inverse=True
        )
        squares = np.bincount(
            pair % len(window_weights), np.bincount(pair_of_entry, self.weight_) ** 2, len(window_weights)
        )
        return np.divide(window_weights**2, squares, out=np.zeros(len(window_weights)), where=squares > 0)

    def _require_parameters(self) -> None:
        for name, least, most in (
            ("window_days", np.finfo(np.float64).tiny, np.inf),
            ("shrinkage", np.finfo(np.float64).tiny, np.inf),
            ("level", -np.inf, np.inf),
            ("doubt", np.finfo(np.float64).tiny, 1 - 1e-9),
            ("least", 0, np.inf),
        ):
            value = getattr(self, name)
            if not (least <= value <= most and np.isfinite(value)):
                raise ValueError(f"{name} must be a finite number from {least} to {most}, got {value}")
