"""A convex combination of several algorithms; the usual result of training."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import (
    ALGORITHMS,
    Algorithm,
    Array,
    Attribution,
    Scores,
    WrongModelError,
    register,
    restore,
)
from recommendations.engine.algorithms.spec import AlgorithmSpec
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.sparse import list_entry_rows
from recommendations.engine.topn import select_top_n

NORMALIZATIONS = ("max", "rank")
RANK_DEPTH = 200
TINY = np.float32(1e-30)  # instead of 0 as a divisor; no score of use is that small


@register
class WeightedEnsemble(Algorithm):
    """score(u, i) = Σ_c w_c · ŝ_c(u, i) with Σ w_c = 1.

    components: name → {"algorithm": registered name, "parameters": {…}}; weights: name → w ≥ 0, scaled to sum 1, default equal.
    ŝ under "max" is s divided by the largest score of that history; under "rank" 1 / (1 + ln rank) for the best 200, with the mean rank
    for equal scores. Items that a component does not score, or scores below 0, count 0. Source: Fox & Shaw, TREC-2 1994 (CombSUM); weights by
    `choose_weights` on validation data.
    """

    name = "blend"
    fitted = ("components_",)
    spec = AlgorithmSpec(
        label=translatable("Weighted ensemble"),
        not_tried="Training builds it from the algorithms that it has tuned.",
    )

    def __init__(
        self,
        components: Mapping[str, Mapping[str, Any]],
        weights: Mapping[str, float] | None = None,
        normalization: str = "max",
    ):
        self.components = components
        self.weights = weights
        self.normalization = normalization

    @classmethod
    def of_fitted(
        cls, components: Mapping[str, Algorithm], weights: Mapping[str, float] | None = None, normalization: str = "max"
    ) -> Self:
        """Build an ensemble of algorithms fitted on the same interactions."""
        specifications = {
            name: {"algorithm": component.name, "parameters": component.get_parameters()}
            for name, component in components.items()
        }
        ensemble = cls(specifications, weights, normalization)
        ensemble.compute_shares()  # checks the weights
        ensemble.components_ = dict(components)
        return ensemble

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        self.compute_shares()  # fails before the components are fitted, which takes long
        self.components_: dict[str, Algorithm] = {
            name: ALGORITHMS[specification["algorithm"]](**specification["parameters"]).fit(interactions, products)
            for name, specification in self.components.items()
        }
        return self

    def compute_shares(self) -> dict[str, float]:
        """Return the weights, summing to 1. Errors: ValueError."""
        weights = dict.fromkeys(self.components, 1.0) if self.weights is None else dict(self.weights)
        if not self.components or set(weights) != set(self.components):
            raise ValueError(f"weights name {sorted(weights)}, components {sorted(self.components)}; both must agree")
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(f"normalization must be one of {', '.join(NORMALIZATIONS)}, got {self.normalization!r}")
        total = sum(weights.values())
        if not (all(weight >= 0 for weight in weights.values()) and 0 < total < np.inf):
            raise ValueError(f"weights must be finite, not negative and not all 0, got {weights}")
        return {name: weight / total for name, weight in weights.items()}

    def score(self, histories: Histories) -> Scores:
        self.require_fit()
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        for name, share in self.compute_shares().items():
            if share:
                add_normalized(scores, self.components_[name].score(histories), share, self.normalization)
        scores[scores <= 0] = -np.inf
        return scores

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        attributions = []
        for name, share in self.compute_shares().items():
            if not share:
                continue
            normalized = np.zeros((1, history.n_items), np.float32)
            add_normalized(normalized, self.components_[name].score(history), share, self.normalization)
            component_attributions = self.components_[name].attribute(history, items)
            # The parts sum to the raw score; the factors make them sum to the normalized one.
            total = sum(attribution.parts.sum(axis=0) for attribution in component_attributions)
            factors = np.divide(normalized[0, list(items)], total, out=np.zeros(len(items)), where=total > 0)
            attributions += [
                Attribution(name, attribution.items, attribution.parts * factors)
                for attribution in component_attributions
            ]
        return attributions

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        self.require_fit()
        arrays: dict[str, Array] = {}
        saved: dict[str, Any] = {}
        for name, component in self.components_.items():
            inner, saved[name] = component.to_arrays()
            arrays |= {f"{name}/{key}": array for key, array in inner.items()}
        return arrays, {"algorithm": self.name, "parameters": self.get_parameters(), "components": saved}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        if saved.get("algorithm") != cls.name or "components" not in saved:
            raise WrongModelError(f"algorithm is {saved.get('algorithm')!r}, {cls.__name__} reads {cls.name!r}")
        components = {
            name: restore(
                {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")},
                inner,
            )
            for name, inner in saved["components"].items()
        }
        return cls.of_fitted(components, saved["parameters"]["weights"], saved["parameters"]["normalization"])


def add_normalized(total: npt.NDArray[np.float32], scores: Scores, share: float, normalization: str) -> None:
    """Add share · normalized scores to `total`, in place."""
    if normalization == "rank":
        _add_ranks(total, scores, share)
    elif isinstance(scores, csr_array):
        rows = list_entry_rows(scores)
        factors = np.float32(share) / _find_row_maxima(scores)
        total[rows, scores.indices] += np.maximum(scores.data, 0) * factors[rows]
    else:
        positive = np.where(np.isfinite(scores), np.maximum(scores, 0), np.float32(0))
        total += positive * (np.float32(share) / np.maximum(positive.max(axis=1, keepdims=True, initial=0), TINY))


def compute_rank_weights(
    positions: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]
) -> npt.NDArray[np.float32]:
    """Return 1 / (1 + ln rank) with the mean rank of `counts` equal scores, of which the first one is at `positions`, from 0.

    Ranks in the order of the rows would prefer some of equally good items in every list.
    """
    return (1.0 / (1.0 + np.log(positions + (counts + 1) / 2))).astype(np.float32)


def _add_ranks(total: npt.NDArray[np.float32], scores: Scores, share: float) -> None:
    best = select_top_n(scores, RANK_DEPTH)
    values = best.scores
    positions = np.arange(RANK_DEPTH)
    differs = values[:, 1:] != values[:, :-1]
    starts = np.zeros(values.shape, np.intp)
    starts[:, 1:] = np.maximum.accumulate(np.where(differs, positions[1:], 0), axis=1)
    ends = np.full(values.shape, RANK_DEPTH)
    ends[:, :-1] = np.minimum.accumulate(np.where(differs, positions[1:], RANK_DEPTH)[:, ::-1], axis=1)[:, ::-1]
    # Items as good as the last one belong to the best too; how many there are decides their mean rank. NaN equals nothing.
    least = np.where(values[:, -1] > 0, values[:, -1], np.float32(np.nan))
    tied_rows, tied_items = _find_equal(scores, least)
    counts = np.bincount(tied_rows, minlength=len(values))
    firsts = starts[:, -1]
    weights = np.float32(share) * compute_rank_weights(firsts, np.maximum(counts, 1))
    total[tied_rows, tied_items] += weights[tied_rows]
    rows, ranks = np.nonzero((values > 0) & (values != least[:, None]))
    weights = np.float32(share) * compute_rank_weights(starts[rows, ranks], (ends - starts)[rows, ranks])
    total[rows, best.items[rows, ranks]] += weights


def _find_equal(
    scores: Scores, values: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.integer]]:
    """Return the rows and columns of the scores that equal the value of their row."""
    if not isinstance(scores, csr_array):
        # on two axes, np.nonzero takes twenty times as long
        places = np.flatnonzero(scores.astype(np.float32, copy=False) == values[:, None])
        return places // scores.shape[1], places % scores.shape[1]
    rows = list_entry_rows(scores)
    is_equal = scores.data.astype(np.float32, copy=False) == values[rows]
    return rows[is_equal], scores.indices[is_equal]


def _find_row_maxima(scores: csr_array) -> npt.NDArray[np.float32]:
    largest = np.full(scores.shape[0], TINY)
    filled = np.flatnonzero(np.diff(scores.indptr))
    if len(filled):
        largest[filled] = np.maximum(np.maximum.reduceat(scores.data, scores.indptr[filled]), TINY)
    return largest
