"""Item transitions: the order in which users choose products, combined with the similarity of the products."""

from collections.abc import Sequence
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, Scores, register, require_weight
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.sequences.kernels import compute_top_transitions
from recommendations.engine.algorithms.spec import (
    AlgorithmSpec,
    ExplanationReason,
    SearchSpace,
    estimate_transitions_mb,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import compute_trend, decay_weights
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import (
    get_row_entries,
    make_csr,
    multiply,
    multiply_top_k_rows,
    select_columns,
    sum_entries,
    transpose,
)
from recommendations.engine.online.context import RAW, OnlineScorer, SummedWeights
from recommendations.engine.online.linear_scorer import LinearScorer
from recommendations.engine.pair_support.support import count_people_of_pairs

WINDOW = 200
SUBSTITUTES = 30
# The key is the object: an entry is removed together with its products.
_SIMILARITIES: WeakKeyDictionary[Products, dict[float, tuple[csr_array, csr_array]]] = WeakKeyDictionary()


@register
class Transitions(Algorithm):
    """score(u, j) = Σ_i h_ui · T_ij, T = diag((c + s)^−a) · (N ∘ (1 + βC) + κA) · diag((c + s)^−b t^τ), the k largest of each row.

    N_ij sums √(w_i w_j) · g^(d−1) / log₂(2 + length)^ℓ over the pairs of one user in which j comes d ≤ `reach` moments after i, and
    `backward` times that where it comes before; interactions of equal order are one moment, whose pairs count (1 + `backward`) / 2 in
    both directions. C is the cosine of the items' content, A their 30 most similar items (C³ √(1 + c), mean row sum 1) as pseudo-pairs
    of all users; both are 0 without products. c is an item's summed weight, t its recent share: (l + s m) / (c + s) / m, l the weight
    under a half-life of `trend_half_life_days`, m = Σl / Σc. h_ui = Σ w · `recency`^(moments back), so the newest counts most. g is
    `decay`, ℓ `length_damping`, a `source_damping`, b `target_damping`, s `smoothing`, β `similarity_weight`, κ `substitutes`, τ `trend`. Pairs
    more than 200 positions apart are left out.

    Sources: first-order item transitions with distance decay as the sequential rules of Ludewig & Jannach, UMUAI 2018 (SR); popularity
    damping as in RP3β (Paudel et al., TiiS 2017). The weighting of pairs by similarity and the pseudo-counts are our own.
    """

    name = "transitions"
    fitted = ("neighbors_",)
    support_of = "neighbors_"
    spec = AlgorithmSpec(
        label=translatable("Next product (transitions)"),
        reason=ExplanationReason.CHOSEN_NEXT,
        search=SearchSpace(
            order=90,
            start={"k": 100, "reach": 3, "decay": 0.8, "backward": 0.5, "recency": 0.8, "target_damping": 0.1},
            values={
                "recency": (0.5, 0.7, 0.8, 0.9, 1.0),
                "reach": (1, 2, 3, 5, 10, 20),
                "backward": (0.0, 0.3, 0.5, 1.0),
                "target_damping": (0.0, 0.1, 0.3, 0.5),
                "decay": (0.5, 0.8, 0.9, 1.0),
            },
            estimate_mb=estimate_transitions_mb,
            scoring_only=frozenset({"recency"}),
            fixed={"similarity_weight": 0.0, "substitutes": 0.0},
        ),
    )

    def __init__(
        self,
        k: int = 200,
        reach: int = 20,
        decay: float = 0.9,
        backward: float = 0.3,
        length_damping: float = 0.5,
        source_damping: float = 0.3,
        target_damping: float = 0.1,
        smoothing: float = 10.0,
        recency: float = 0.5,
        similarity_weight: float = 1.0,
        substitutes: float = 1.0,
        max_share: float = 0.3,
        trend: float = 0.0,
        trend_half_life_days: float = 30.0,
        half_life_days: float | None = None,
        history_half_life_days: float | None = None,
    ):
        self.k = k
        self.reach = reach
        self.decay = decay
        self.backward = backward
        self.length_damping = length_damping
        self.source_damping = source_damping
        self.target_damping = target_damping
        self.smoothing = smoothing
        self.recency = recency
        self.similarity_weight = similarity_weight
        self.substitutes = substitutes
        self.max_share = max_share
        self.trend = trend
        self.trend_half_life_days = trend_half_life_days
        self.half_life_days = half_life_days
        self.history_half_life_days = history_half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        self._require_parameters()
        n_items = interactions.n_items
        past = interactions.select(interactions.weight > 0).build_histories()
        weight = decay_weights(past.weight, past.order, past.as_of, self.half_life_days)
        counts = np.bincount(past.item, weight, n_items)
        vectors, similar = self._compare_content(products, counts)
        smoothed = counts + self.smoothing
        lengths = np.diff(past.indptr)
        distances = np.arange(1, self.reach + 1)
        # Index 0 is a pair of one moment: the mean of both directions, as its order is unknown.
        forward = np.concatenate([[(1.0 + self.backward) / 2.0], self.decay ** (distances - 1.0)])
        backward = np.concatenate([forward[:1], self.backward * forward[1:]])
        width = max(1, min(self.k, n_items))
        columns = np.empty((n_items, width), np.int32)
        values = np.empty((n_items, width), np.float32)
        row_counts = np.zeros(n_items, np.int32)
        rows = np.argsort(-counts, kind="stable").astype(np.int32)  # see _fill_rows
        by_item = np.argsort(past.item, kind="stable")
        arguments = (
            np.concatenate([[0], np.cumsum(np.bincount(past.item, minlength=n_items))]),
            by_item,
            past.indptr,
            np.repeat(np.arange(len(past), dtype=np.int32), lengths),
            past.item,
            past.number_moments(),
            np.sqrt(weight, dtype=np.float64),
            np.log2(2.0 + lengths) ** -self.length_damping,
            forward,
            backward,
            WINDOW,
            float(self.similarity_weight) if vectors.nnz else 0.0,
            vectors.indptr,
            vectors.indices,
            vectors.data,
            vectors.shape[1],
            similar.indptr,
            similar.indices,
            similar.data,
            smoothed**-self.source_damping,
            smoothed**-self.target_damping * self._compute_trend(past, weight, counts),
            columns,
            values,
            row_counts,
        )
        blocks = max(1, n_items // 64)
        map_blocks(lambda start, stop: _fill_rows(rows, blocks, start, stop, arguments), blocks, smallest=1)
        is_filled = np.arange(width) < row_counts[:, None]
        indptr = np.concatenate([[0], np.cumsum(row_counts)])
        self.neighbors_ = make_csr(values[is_filled], columns[is_filled], indptr, (n_items, n_items))
        self.support_ = None
        return self

    def learn_support(self, interactions: Interactions) -> None:
        """Count the people who chose the second product of each pair at some time after the first."""
        self.support_ = count_people_of_pairs(self.neighbors_, interactions, in_order=True)

    def score(self, histories: Histories) -> Scores:
        return multiply(self._build_weights(histories), self.neighbors_)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        weights = self._build_weights(history)
        following = select_columns(self.neighbors_, weights.indices, items)
        return [Attribution(self.name, weights.indices, following * weights.data[:, None])]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return LinearScorer(self.neighbors_, SummedWeights(self.history_half_life_days, RAW, self.recency))

    def find_following(self, item: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the items that follow one item and their strengths, strongest first."""
        self.require_fit()
        return get_row_entries(self.neighbors_, item)

    def _build_weights(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.neighbors_.shape[0])
        weight = decay_weights(histories.weight, histories.order, histories.as_of, self.history_half_life_days)
        rows = np.repeat(np.arange(len(histories), dtype=np.int32), np.diff(histories.indptr))
        recent = weight * self.recency ** histories.count_moments_back()
        return sum_entries(rows, histories.item, recent, (len(histories), histories.n_items))

    def _compute_trend(
        self, past: Histories, weight: npt.NDArray[np.float32], counts: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return t^τ of each item."""
        trend = compute_trend(
            past.item,
            weight,
            past.order,
            counts=counts,
            smoothing=self.smoothing,
            half_life_days=self.trend_half_life_days,
        )
        return trend**self.trend

    def _compare_content(
        self, products: Products | None, counts: npt.NDArray[np.float64]
    ) -> tuple[csr_array, csr_array]:
        """Return the items' vectors and κA; both are empty without products."""
        n_items = len(counts)
        empty = make_csr([], [], np.zeros(n_items + 1), (n_items, n_items))
        if (
            products is None
            or not (products.texts or products.vectors)
            or not (self.similarity_weight or self.substitutes)
        ):
            return empty, empty
        if products.n_items != n_items:
            raise ValueError(f"products describe {products.n_items} items, interactions number {n_items}")
        vectors, similar = _compute_similarities(products, self.max_share)
        if not self.substitutes:
            return vectors, empty
        strength = similar.data.astype(np.float64) ** 3 * np.sqrt(1.0 + counts)[similar.indices]
        scale = self.substitutes * n_items / max(strength.sum(), np.finfo(np.float64).tiny)
        return vectors, make_csr(strength * scale, similar.indices, similar.indptr, similar.shape)

    def _require_parameters(self) -> None:
        for name, least, most in (
            ("k", 1, np.inf),
            ("reach", 1, np.inf),
            ("decay", 0, 1),
            ("backward", 0, np.inf),
            ("length_damping", 0, np.inf),
            ("source_damping", -np.inf, np.inf),
            ("target_damping", -np.inf, np.inf),
            ("smoothing", np.finfo(np.float64).tiny, np.inf),
            ("recency", 0, 1),
            ("similarity_weight", 0, np.inf),
            ("substitutes", 0, np.inf),
            ("trend", -np.inf, np.inf),
        ):
            value = getattr(self, name)
            if not (least <= value <= most and np.isfinite(value)):
                raise ValueError(f"{name} must be a finite number from {least} to {most}, got {value}")


def _fill_rows(rows: npt.NDArray[np.int32], blocks: int, start: int, stop: int, arguments: tuple) -> None:
    """Fill rows start, start + blocks, …; rows are sorted by popularity, so every block gets both cheap and costly rows."""
    for block in range(start, stop):
        compute_top_transitions(rows[block::blocks].copy(), *arguments)


def _compute_similarities(products: Products, max_share: float) -> tuple[csr_array, csr_array]:
    """Return the items' vectors and the cosines of the most similar items; cached, because a parameter search repeats it."""
    cached = _SIMILARITIES.setdefault(products, {})
    if max_share not in cached:
        vectors = Content(max_share=max_share).learn_vectors(products, products.n_items)
        cached[max_share] = (
            vectors,
            multiply_top_k_rows(vectors, transpose(vectors), SUBSTITUTES, skip=np.arange(products.n_items)),
        )
    return cached[max_share]
