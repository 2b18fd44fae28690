"""Session-based kNN: sessions similar to the current one, found without training."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, register, require_weight
from recommendations.engine.algorithms.neighbors.session_kernels import (
    attribute_to_sessions,
    score_one_history,
    score_sessions,
)
from recommendations.engine.algorithms.neighbors.session_search_kernels import (
    compute_session_strengths,
    make_session_table,
)
from recommendations.engine.algorithms.spec import AlgorithmSpec, ExplanationReason, SearchSpace, estimate_sessions_mb
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.weighting import compute_trend, decay_weights
from recommendations.engine.linear_algebra.parallel import map_blocks
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.online.context import OnlineScorer
from recommendations.engine.online.session_scorer import SessionScorer

TREND_SMOOTHING = 10.0  # pseudo-interactions with the mean trend
MAX_POWERS = 128  # powers in the table; longer distances compute the power


@register
class SessionKNN(Algorithm):
    """score(u, i) = t_i^τ (n_i + 1)^−e · Σ_s v_s · Σ_p w_sp [item p of s is i] · ρ(p − a_s) over the k sessions s with the largest v_s.

    v_s = 2^(−age_s / half-life) · |s|^−ℓ · Σ_j π_j (n_j + 1)^−m over the items j that session and history share, each history
    item counted once, at its newest position: π_j = weight · decay^(positions back) · 2^(−age_j / history half-life). n_i sessions
    contain i, t_i is its trend by `compute_trend`. Only the `newest` sessions of each j are searched. a_s is the position in s of the
    newest shared item, and ρ(d) = reach^(d−1) after it, back · reach^(−d−1) before it, `own` on it. A session is the whole history of a
    user (a user may be a session), or with `gap_s` the part between two longer pauses; a user's own sessions are left out. e is
    `damping`, ℓ `length_damping`, m `match_damping`, τ `trend`; only the last `longest` positions of a history count.

    Sources: VMIS-kNN, Kersbergen, Sprangers & Schelter, "Serenade", SIGMOD 2022 (inverted index, newest sessions, idf); distances
    within the neighbor: STAN, Garg et al., SIGIR 2019. The factor of the trend is our own.
    """

    name = "session-knn"
    fitted = (
        "session_starts_", "session_items_", "session_weights_", "session_factors_", "session_users_", "item_starts_",
        "item_sessions_", "item_factors_", "match_factors_",
    )  # fmt: skip
    spec = AlgorithmSpec(
        label=translatable("Similar visits (session-kNN)"),
        reason=ExplanationReason.CHOSEN_NEXT,
        search=SearchSpace(
            order=80,
            start={
                "k": 200,
                "newest": 250,  # more sessions cost time in every request; on Diginetica NDCG@20 is the same from 50 to 1,000
                "decay": 0.8,
                "half_life_days": None,
                "damping": 0.2,
                "length_damping": 0.3,
                "own": 1.0,
            },
            values={
                "k": (50, 100, 200, 500),
                "newest": (100, 250, 1000),
                "decay": (0.5, 0.7, 0.8, 0.9, 1.0),
                "damping": (0.0, 0.2, 0.4),
                "length_damping": (0.0, 0.3, 0.5, 1.0),
                "own": (0.0, 1.0),
            },
            estimate_mb=estimate_sessions_mb,
            scoring_only=frozenset({"k", "decay", "own"}),
        ),
    )

    def __init__(
        self,
        k: int = 500,
        newest: int = 1000,
        decay: float = 0.7,
        reach: float = 0.8,
        back: float = 0.5,
        own: float = 1.0,
        damping: float = 0.2,
        match_damping: float = 0.5,
        length_damping: float = 0.3,
        half_life_days: float | None = None,
        history_half_life_days: float | None = None,
        gap_s: float | None = None,
        longest: int = 100,
        trend: float = 0.0,
        trend_half_life_days: float = 30.0,
    ):
        self.k = k
        self.newest = newest
        self.decay = decay
        self.reach = reach
        self.back = back
        self.own = own
        self.damping = damping
        self.match_damping = match_damping
        self.length_damping = length_damping
        self.half_life_days = half_life_days
        self.history_half_life_days = history_half_life_days
        self.gap_s = gap_s
        self.longest = longest
        self.trend = trend
        self.trend_half_life_days = trend_half_life_days

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        self._require_parameters()
        lines = interactions.select(interactions.weight > 0)
        sessions = lines.user if self.gap_s is None else lines.number_baskets(gap_s=self.gap_s)
        session, ends = _number_by_end(sessions, lines.order)
        by_session = np.lexsort((lines.order, session))
        n_sessions = len(ends)
        lengths = np.bincount(session, minlength=n_sessions)
        self.session_starts_ = np.concatenate([[0], np.cumsum(lengths)])
        self.session_items_ = lines.item[by_session]
        self.session_weights_ = lines.weight[by_session]
        self.session_users_ = lines.user[by_session][self.session_starts_[:-1]]
        length_factors = (lengths.astype(np.float64) ** -self.length_damping).astype(np.float32)
        self.session_factors_ = decay_weights(length_factors, ends, interactions.as_of, self.half_life_days)
        counts = self._build_index(session, lines.item, n_sessions, interactions.n_items)
        self.item_factors_ = ((counts + 1.0) ** -self.damping * self._compute_trend(lines)).astype(np.float32)
        self.match_factors_ = ((counts + 1.0) ** -self.match_damping).astype(np.float32)
        return self

    def score(self, histories: Histories) -> csr_array:
        indptr, items, strengths = self.compute_strengths(histories)
        parts = map_blocks(
            lambda start, stop: score_sessions(
                indptr, items, strengths, histories.user, start, stop, self.item_factors_, *self.get_session_arguments()
            ),
            len(histories),
            smallest=16,
        )
        counts = np.concatenate([np.zeros(0, np.int32), *(counts for counts, _, _ in parts)])
        columns = np.concatenate([np.zeros(0, np.int32), *(columns for _, columns, _ in parts)])
        values = np.concatenate([np.zeros(0, np.float32), *(values for _, _, values in parts)])
        return make_csr(values, columns, np.concatenate([[0], np.cumsum(counts)]), (len(histories), histories.n_items))

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        _, shared, strengths = self.compute_strengths(history)
        targets, columns = np.unique(np.asarray(items, np.int32), return_inverse=True)
        parts = np.zeros((len(shared), len(targets)), np.float64)
        n_items = len(self.item_factors_)
        slots, positions = np.zeros(n_items, np.int32), np.full(n_items, -1, np.int32)
        slots[shared] = np.arange(len(shared))
        positions[targets] = np.arange(len(targets))
        sums = np.zeros(n_items), np.zeros(n_items, np.bool_), np.empty(n_items, np.int32)
        nearest = self.find_nearest(
            shared,
            strengths,
            history.user[0],
            self.get_session_arguments(),
            make_session_table(self.count_index_entries()),
            sums,
        )
        self.add_contributions(nearest, shared, strengths, slots, positions, np.zeros(n_items, np.float32), parts)
        return [Attribution(self.name, shared, parts[:, columns])]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        return SessionScorer(self)

    def find_nearest(
        self,
        shared: npt.NDArray[np.int32],
        strengths: npt.NDArray[np.float32],
        user: int,
        sessions: tuple[Any, ...],
        table: tuple[npt.NDArray[Any], ...],
        sums: tuple[npt.NDArray[Any], ...],
    ) -> tuple[npt.NDArray[Any], ...]:
        """Run `score_one_history`. sessions: of `get_session_arguments`; table: of `make_session_table`; sums: clean arrays by item."""
        return score_one_history(shared, strengths, user, self.item_factors_, *sessions, *table, *sums)

    def add_contributions(
        self,
        nearest: tuple[npt.NDArray[Any], ...],
        shared: npt.NDArray[np.int32],
        strengths: npt.NDArray[np.float32],
        slots: npt.NDArray[np.int32],
        positions: npt.NDArray[np.int32],
        strength_by_item: npt.NDArray[np.float32],
        out: npt.NDArray[np.floating],
    ) -> None:
        """Add to out[slot of a history item, column of an item] its part of the item's score; nearest: of `find_nearest`."""
        _columns, _scores, sessions, anchors, starts, items, weights = nearest
        powers, reach, back, own = self._get_distance_arguments()
        attribute_to_sessions(
            sessions, anchors, starts, items, weights, shared, strengths, self.item_factors_, self.session_factors_,
            self.item_starts_, self.item_sessions_, powers, reach, back, own, slots, positions, strength_by_item, out,
        )  # fmt: skip

    def count_index_entries(self) -> int:
        """Return how many index entries the items of one history have."""
        longest_list = int(np.diff(self.item_starts_).max(initial=0))
        return min(len(self.item_sessions_), longest_list * min(self.longest, len(self.item_factors_)))

    def get_session_arguments(self) -> tuple[Any, ...]:
        """Return the kernels' arguments that describe the sessions."""
        return (
            self.session_starts_, self.session_items_, self.session_weights_, self.session_factors_,
            float(self.session_factors_.max(initial=0.0)), self.session_users_, self.item_starts_, self.item_sessions_,
            self.k, *self._get_distance_arguments(),
        )  # fmt: skip

    def _get_distance_arguments(self) -> tuple[Any, ...]:
        return _list_powers(float(self.reach)), float(self.reach), float(self.back), float(self.own)

    def _compute_trend(self, lines: Interactions) -> npt.NDArray[np.float64]:
        """Return t^τ of each item."""
        counts = np.bincount(lines.item, lines.weight, lines.n_items)
        if not self.trend:
            return np.ones(len(counts))
        trend = compute_trend(
            lines.item,
            lines.weight,
            lines.order,
            counts=counts,
            smoothing=TREND_SMOOTHING,
            half_life_days=self.trend_half_life_days,
        )
        return trend**self.trend

    def _build_index(
        self, session: npt.NDArray[np.int32], item: npt.NDArray[np.int32], n_sessions: int, n_items: int
    ) -> Any:
        """Build the index item → its newest sessions, newest first; return how many sessions contain each item."""
        # One sort orders by item and, within it, by session from the newest; equal keys are repeated items.
        keys = np.sort(item.astype(np.int64) * n_sessions + (n_sessions - 1 - session))
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
        items = keys // n_sessions
        counts = np.bincount(items, minlength=n_items)
        rank = np.arange(len(keys)) - np.concatenate([[0], np.cumsum(counts)])[items]
        is_kept = rank < self.newest
        self.item_sessions_ = (n_sessions - 1 - keys[is_kept] % n_sessions).astype(np.int32)
        self.item_starts_ = np.concatenate([[0], np.cumsum(np.minimum(counts, self.newest))])
        return counts

    def compute_strengths(
        self, histories: Histories
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return each history's distinct items, newest first, and π_j (n_j + 1)^−m of each: (indptr, items, strengths)."""
        self.require_fit()
        self.require_histories(histories, len(self.item_factors_))
        weight = decay_weights(histories.weight, histories.order, histories.as_of, self.history_half_life_days)
        return compute_session_strengths(
            histories.indptr, histories.item, weight, self.match_factors_, self.decay, self.longest
        )

    def _require_parameters(self) -> None:
        for name in ("k", "newest", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("decay", "reach"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        for name in ("back", "own"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be finite and not negative, got {getattr(self, name)}")


@lru_cache(maxsize=64)
def _list_powers(reach: float) -> npt.NDArray[np.float64]:
    """Return the powers 0, 1, 2 … of the reach; shared, never write to them."""
    return reach ** np.arange(MAX_POWERS, dtype=np.float64)


def _number_by_end(
    sessions: npt.NDArray[np.int32], order: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Number the sessions from 0 by their end; return the number of each line and the end of each session."""
    ends = np.full(int(sessions.max()) + 1, -np.inf)
    np.maximum.at(ends, sessions, order)
    by_end = np.argsort(ends, kind="stable")
    by_end = by_end[np.isfinite(ends[by_end])]
    rank = np.full(len(ends), -1, np.int32)
    rank[by_end] = np.arange(len(by_end), dtype=np.int32)
    return rank[sessions], ends[by_end]
