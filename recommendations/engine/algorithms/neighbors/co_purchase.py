"""Association rules between products of the same order."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, NothingToLearnError, register, require_weight
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
    invert_entries,
    multiply,
    multiply_top_k_rows,
    scale_columns,
    scale_rows,
    select_columns,
    shorten_rows,
    sum_entries,
    transpose,
)
from recommendations.engine.online.context import OnlineScorer
from recommendations.engine.online.linear_scorer import LinearScorer


class BasketPair(NamedTuple):
    """`baskets` contain both items; confidence: share of the first item's baskets with `item`; lift: confidence / support of `item`."""

    item: int
    baskets: int
    confidence: float
    lift: float


@register
class CoPurchase(Algorithm):
    """score(u, i) = Σ_j h_uj · c(j → i) / s_i^β, c(j → i) = n_ij / n_j the confidence and s_i = n_i / N the support of i.

    n_j of N baskets contain j, n_ij both; `damping` β = 0 gives the confidence, 1 the lift. Pairs in fewer than `min_count` baskets
    are left out, and only the k largest entries of each row are kept. A basket is a user's interactions at one moment, or with pauses
    of at most `gap_s` seconds, of one `kind` (None: any). h is the cart, or the history under `history_weighting`. Sources: Agrawal,
    Imieliński & Swami, SIGMOD 1993; lift: Brin et al., SIGMOD 1997.
    """

    name = "co-purchase"
    fitted = ("rules_", "baskets_with_", "baskets_")
    spec = AlgorithmSpec(
        label=translatable("Bought together"),
        reason=ExplanationReason.BOUGHT_TOGETHER,
        search=SearchSpace(
            order=60,
            start={"k": 50, "damping": 0.5, "history_weighting": "binary", "history_half_life_days": None},
            values={
                "history_half_life_days": HALF_LIVES,
                "damping": (0.0, 0.25, 0.5, 0.75),
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
    ):
        self.k = k
        self.min_count = min_count
        self.damping = damping
        self.gap_s = gap_s
        self.kind = kind
        self.history_weighting = history_weighting
        self.history_half_life_days = history_half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        if self.k < 1 or self.min_count < 1:
            raise ValueError(f"k and min_count must be at least 1, got {self.k} and {self.min_count}")
        basket_items = self._build_baskets(interactions)
        # The columns are scaled before the selection, so the k largest are those of the score. The division by n_j
        # afterwards changes no order within a row.
        top_pairs = multiply_top_k_rows(
            transpose(basket_items),
            scale_columns(basket_items, self._compute_lift_factors(basket_items)),
            self.k,
            skip=np.arange(interactions.n_items),
            min_terms=self.min_count,
        )
        self.baskets_with_ = np.bincount(basket_items.indices, minlength=interactions.n_items)
        self.baskets_ = np.array([basket_items.shape[0]])
        self.rules_ = scale_rows(top_pairs, invert_entries(self.baskets_with_.astype(np.float64)))
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
        return LinearScorer(
            self.rules_, lambda context: context.sum_weights(self.history_half_life_days, self.history_weighting)
        )

    def list_bought_together(self, item: int, n: int = 10) -> list[BasketPair]:
        """Return the n best products of the item's rules with their statistics."""
        self.require_fit()
        others, scores = (entries[:n] for entries in get_row_entries(self.rules_, item))
        support = self.baskets_with_[others] / self.baskets_[0]
        # The rules contain confidence / support^β; rint removes the rounding errors of float32 from the counts.
        confidence = scores * support**self.damping
        counts = np.rint(confidence * self.baskets_with_[item]).astype(np.int64)
        columns = zip(
            others.tolist(), counts.tolist(), confidence.tolist(), (confidence / support).tolist(), strict=True
        )
        return [BasketPair(*values) for values in columns]

    def _build_baskets(self, interactions: Interactions) -> csr_array:
        """Return CSR (baskets, items) of ones."""
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
        return weight_entries(shorten_rows(counts), "binary")

    def _compute_lift_factors(self, basket_items: csr_array) -> np.ndarray:
        """Return s_i^−β of each item, 0 for an item in no basket."""
        support = np.bincount(basket_items.indices, minlength=basket_items.shape[1]) / basket_items.shape[0]
        return np.power(support, -self.damping, out=np.zeros(len(support)), where=support > 0)

    def _build_weights(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.rules_.shape[0])
        return weight_entries(
            histories.build_matrix(half_life_days=self.history_half_life_days), self.history_weighting
        )
