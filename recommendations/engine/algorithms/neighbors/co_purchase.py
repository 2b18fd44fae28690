"""Association rules between products of the same order."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import (
    Algorithm,
    Attribution,
    NothingToLearnError,
    WrongModelError,
    register,
    require_weight,
)
from recommendations.engine.algorithms.spec import (
    HALF_LIVES,
    NEIGHBOR_COUNTS,
    WEIGHTINGS,
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
    estimate_neighbors_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES, Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import weight_entries
from recommendations.engine.linear_algebra.sparse import (
    extract_column,
    get_row_entries,
    multiply,
    select_columns,
    shorten_rows,
    sum_entries,
)
from recommendations.engine.online.context import OnlineScorer, SummedWeights
from recommendations.engine.online.linear_scorer import LinearScorer
from recommendations.engine.pair_support.support import PRIOR_ORDERS, Z, find_top_pairs


class BasketPair(NamedTuple):
    """`baskets` of `people` contain both items; confidence: share of the first item's baskets with `item`.

    lift: confidence / share of all baskets with `item`; lift_low: its lower confidence bound.
    """

    item: int
    baskets: int
    people: int
    confidence: float
    lift: float
    lift_low: float


@register
class CoPurchase(Algorithm):
    """score(u, i) = Σ_j h_uj · c(j → i) / s_i^β, c(j → i) the lower bound of the confidence n_ij / n_j, s_i = n_i / N the share of i.

    n_j of N baskets contain j, n_ij both; `damping` β = 0 gives the confidence, 1 the lift. The bound (`find_top_pairs`, with `prior_orders` α
    and `z`) ranks a pair of two baskets with rare products behind a well-supported one; with α = 0 and z = 0 it is the plain
    confidence. Pairs of fewer than `min_count` baskets or people are left out, and only the k largest entries of each row are kept.
    A basket is a user's interactions at one moment, or with pauses of at most `gap_s` seconds, of one `kind` (None: any). h is
    the cart, or the history under `history_weighting`. Sources: Agrawal, Imieliński & Swami, SIGMOD 1993; lift: Brin et al.,
    SIGMOD 1997.
    """

    name = "co-purchase"
    fitted = ("rules_", "baskets_with_", "baskets_")
    support_of = "rules_"
    spec = AlgorithmSpec(
        label=translatable("Bought together"),
        reason=ExplanationReason.BOUGHT_TOGETHER,
        search=SearchSpace(
            order=60,
            start={"k": 50, "damping": 0.5, "history_weighting": "binary", "history_half_life_days": None},
            values={
                "history_half_life_days": HALF_LIVES,
                "damping": (0.5, 0.75),  # with less, the best sellers of a grocer are "bought together" with everything
                "history_weighting": WEIGHTINGS,
                "k": NEIGHBOR_COUNTS[:4],
            },
            estimate_mb=estimate_neighbors_mb,
            is_required=True,
            scoring_only=frozenset({"history_half_life_days", "history_weighting"}),
        ),
    )

    def __init__(
        self,
        k: int = 50,
        min_count: int = 2,
        damping: float = 0.5,
        gap_s: float = 0.0,
        kind: str | None = "purchase",
        history_weighting: str = "binary",
        history_half_life_days: float | None = None,
        prior_orders: float = PRIOR_ORDERS,
        z: float = Z,
    ):
        self.k = k
        self.min_count = min_count
        self.damping = damping
        self.gap_s = gap_s
        self.kind = kind
        self.history_weighting = history_weighting
        self.history_half_life_days = history_half_life_days
        self.prior_orders = prior_orders
        self.z = z

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or self.min_count < 1:
            raise ValueError(f"k and min_count must be at least 1, got {self.k} and {self.min_count}")
        if not (self.prior_orders >= 0 and self.z >= 0):
            raise ValueError(f"prior_orders and z must not be negative, got {self.prior_orders} and {self.z}")
        basket_items, basket_user = self._build_baskets(interactions)
        self.rules_, self.support_ = find_top_pairs(
            basket_items,
            basket_user,
            k=self.k,
            min_count=self.min_count,
            damping=self.damping,
            prior=self.prior_orders,
            z=self.z,
        )
        self.baskets_with_ = np.bincount(basket_items.indices, minlength=interactions.n_items)
        self.baskets_ = np.array([basket_items.shape[0]])
        return self

    def score(self, histories: Histories) -> csr_array:
        return multiply(self._build_weights(histories), self.rules_)

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        return np.asarray(self._build_weights(histories) @ extract_column(self.rules_, item), np.float32)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        weights = self._build_weights(history)
        parts = select_columns(self.rules_, weights.indices, items) * weights.data[:, None]
        return [Attribution(self.name, weights.indices, parts)]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return LinearScorer(self.rules_, SummedWeights(self.history_half_life_days, self.history_weighting))

    def list_bought_together(self, item: int, n: int = 10) -> list[BasketPair]:
        """Return the n best products of the item's rules with their statistics."""
        self.require_fit()
        if self.support_ is None:
            raise WrongModelError("the model was trained by a release that did not store the support of its pairs")
        others = get_row_entries(self.rules_, item)[0][:n]
        counts = self.support_.find(np.full(len(others), item), others)
        confidence = counts.orders / max(int(self.baskets_with_[item]), 1)
        lift = confidence / (self.baskets_with_[others] / self.baskets_[0])
        columns = (others, counts.orders, counts.people, confidence, lift, counts.lift)
        return [BasketPair(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def _build_baskets(self, interactions: Interactions) -> tuple[csr_array, npt.NDArray[np.int32]]:
        """Return CSR (baskets, items) of ones, and the user of each basket, ascending."""
        is_counted = interactions.weight > 0
        if self.kind is not None:
            if self.kind not in KIND_CODES:
                raise ValueError(f"kind must be None or one of {', '.join(KIND_CODES)}, got {self.kind!r}")
            is_counted &= interactions.kind == KIND_CODES[self.kind]
        if not is_counted.any():
            raise NothingToLearnError(
                f"nothing to learn from: no interaction of kind {self.kind!r} with a weight above 0"
            )
        bought = interactions.select(is_counted)
        basket = bought.number_baskets(gap_s=self.gap_s)
        counts = sum_entries(basket, bought.item, bought.weight, (int(basket.max()) + 1, bought.n_items))
        user = np.empty(counts.shape[0], np.int32)
        user[basket] = bought.user
        return weight_entries(shorten_rows(counts), "binary"), user

    def _build_weights(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.rules_.shape[0])
        return weight_entries(
            histories.build_matrix(half_life_days=self.history_half_life_days), self.history_weighting
        )
