"""Content-based recommendation: products with similar texts, attributes and vectors; works for new products and new shops."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, hstack

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import Algorithm, Attribution, NothingToLearnError, Scores, register
from recommendations.engine.algorithms.spec import (
    HALF_LIVES,
    MEGABYTE,
    WEIGHTINGS,
    AlgorithmSpec,
    DataSize,
    ExplanationReason,
    SearchSpace,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.id_map import IdMap
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.data.text_terms import split_terms, split_values
from recommendations.engine.data.weighting import weight_entries
from recommendations.engine.linear_algebra.low_rank import compute_right_singular_vectors
from recommendations.engine.linear_algebra.sparse import (
    get_row_entries,
    make_csr,
    multiply,
    multiply_top_k_rows,
    normalize_rows,
    scale_columns,
    sum_entries,
    transpose,
)
from recommendations.engine.online.content_scorer import ContentScorer
from recommendations.engine.online.context import BINARY, OnlineScorer, SummedWeights
from recommendations.engine.online.linear_scorer import LinearScorer

FREE_TEXT = ("title", "description")
PRICE = "price band"
MAX_DIMENSIONS = 64
MAX_TEXT_FITS = 3  # of one catalog; a training tries three weights of the price


@dataclass(frozen=True, eq=False)
class TextFit:
    """What a fit learns from the products alone: a training fits on three parts of the interactions, always with the same products.

    The arrays are those of `Content`; cosines: CSR (documents, documents), the most similar documents of each.
    """

    vectors: csr_array
    term_documents: csr_array
    document: npt.NDArray[np.int32]
    vocabulary: IdMap
    inverse_frequency: npt.NDArray[np.float64]
    cosines: csr_array


_TEXT_FITS: WeakKeyDictionary[Products, dict[tuple[float, ...], TextFit]] = WeakKeyDictionary()


def _estimate_mb(size: DataSize, parameters: Mapping[str, Any]) -> float:
    """Return the MB of about twenty terms per product, and of its neighbors."""
    return (size.items * 20 * 8 * 4 + 2 * 8 * size.items * 50) / MEGABYTE


@register
class Content(Algorithm):
    """score(u, i) = p_u · t_i / |p_u| with p_u = Σ_j h_uj t_j, the weighted mean of the vectors of the history's items.

    t_i has length 1: (1 + ln tf) · ln((n + 1) / df) over the terms of the texts (Salton & Buckley 1988), followed by each block of
    `Products.vectors`, of length `vector_weight`. Titles and descriptions give words or character n-grams, other fields one term per
    value; the price band, which very different products share, counts only with `price_weight` of its inverse frequency. Terms in more
    than `max_share` of the distinct texts are left out. Items with equal texts and vectors share one row. `find_similar` returns the k
    most similar, each once.

    Vectors are centered on the mean of their block, so that two products have a cosine of 0 on average; a product without a vector
    also has 0 to all, which is neither an advantage nor a drawback. Blocks of more than MAX_DIMENSIONS columns are projected on
    that many leading singular vectors.
    """

    name = "content"
    fitted = ("vectors_", "term_documents_", "document_", "neighbors_", "vocabulary_", "inverse_frequency_")
    spec = AlgorithmSpec(
        label=translatable("Content-based"),
        reason=ExplanationReason.SIMILAR_PRODUCT,
        search=SearchSpace(
            order=70,
            start={"half_life_days": 90.0, "history_weighting": "log", "price_weight": 0.3},
            values={
                "half_life_days": HALF_LIVES,
                "history_weighting": WEIGHTINGS,
                "price_weight": (0.0, 0.3, 1.0),
            },
            estimate_mb=_estimate_mb,
            is_required=True,
            scoring_only=frozenset({"half_life_days", "history_weighting"}),
            vector_start={"vector_weight": 0.5},
            vector_values={"vector_weight": (0.0, 0.25, 0.5, 1.0, 2.0)},
        ),
    )

    def __init__(
        self,
        k: int = 50,
        max_share: float = 0.3,
        half_life_days: float | None = None,
        history_weighting: str = "log",
        vector_weight: float = 1.0,
        price_weight: float = 0.3,
    ):
        self.k = k
        self.max_share = max_share
        self.half_life_days = half_life_days
        self.history_weighting = history_weighting
        self.vector_weight = vector_weight
        self.price_weight = price_weight

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        texts = self._learn_texts(products, interactions.n_items)
        self.vectors_, self.term_documents_, self.document_ = texts.vectors, texts.term_documents, texts.document
        self.vocabulary_, self.inverse_frequency_ = texts.vocabulary, texts.inverse_frequency
        popularity = np.bincount(interactions.item, interactions.weight, interactions.n_items)
        self.neighbors_ = self._find_similar_items(popularity, texts.cosines)
        return self

    def _learn_texts(self, products: Products | None, n_items: int) -> TextFit:
        """Return what is learned from the products, which is the same for all interactions."""
        known = _TEXT_FITS.setdefault(products, {}) if products is not None and products.n_items == n_items else {}
        key = (self.k, self.max_share, self.vector_weight, self.price_weight)
        if key not in known:
            self.learn_vectors(products, n_items)
            cosines = multiply_top_k_rows(self.vectors_, self.term_documents_, self.k + 1)
            if len(known) >= MAX_TEXT_FITS:
                del known[next(iter(known))]
            known[key] = TextFit(
                self.vectors_,
                self.term_documents_,
                self.document_,
                self.vocabulary_,
                self.inverse_frequency_,
                cosines,
            )
        return known[key]

    def learn_vectors(self, products: Products | None, n_items: int) -> csr_array:
        """Learn only the vectors; return one row per item, CSR (n_items, terms). Errors: NothingToLearnError, ValueError."""
        if products is None or not (products.texts or products.vectors):
            raise NothingToLearnError("content needs products with texts or vectors; there are none")
        if products.n_items != n_items:
            raise ValueError(f"products describe {products.n_items} items, interactions number {n_items}")
        documents, self.document_ = _find_distinct(products)
        counts, self.vocabulary_, priced = _count_terms(products, documents)
        share = np.bincount(counts.indices, minlength=counts.shape[1]) / max(len(documents), 1)
        is_small = len(documents) * self.max_share < 10  # a share of very few texts is not informative
        is_kept = (share > 0) & ((share <= self.max_share) | is_small)
        self.inverse_frequency_ = np.where(
            is_kept, np.log((1 + 1 / max(len(documents), 1)) / np.where(is_kept, share, 1)), 0
        )
        self.inverse_frequency_[priced] *= self.price_weight
        self.vectors_ = self._build_vectors(counts, products, documents)
        self.term_documents_ = transpose(self.vectors_)
        return self.vectors_[self.document_, :]

    def score(self, histories: Histories) -> Scores:
        # Items with equal texts share a document, so each document is scored once.
        document_scores = multiply(self._build_profiles(histories), self.term_documents_).toarray()
        scores = document_scores[:, self.document_]
        scores[scores <= 0] = -np.inf
        return scores

    def score_item(self, histories: Histories, item: int) -> npt.NDArray[np.float32]:
        terms = self.vectors_[[self.document_[item]], :].toarray().ravel()
        return np.maximum(np.asarray(self._build_profiles(histories) @ terms, np.float32), 0)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        weights = self._build_weights(history)
        profile = multiply(self._map_to_documents(weights), self.vectors_)
        length = float(np.sqrt(np.square(profile.data, dtype=np.float64).sum()))
        if not length:
            return []
        targets = self.vectors_[self.document_[list(items)], :]
        cosines = (self.vectors_[self.document_[weights.indices], :] @ targets.T).toarray()
        parts = cosines * weights.data[:, None] / length
        return [Attribution(self.name, weights.indices, parts * (parts.sum(axis=0) > 0))]

    def make_online_scorer(self, *, for_similar: bool) -> OnlineScorer:
        """Return the scorer: with `for_similar` the k products most similar to each, one per text; else all that share a term."""
        if for_similar:
            return LinearScorer(self.neighbors_, SummedWeights(None, BINARY), self.document_)
        return ContentScorer(self)

    def find_similar(self, item: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the k products most similar to one product and their cosines, most similar first."""
        self.require_fit()
        document = self.document_[item]
        items, cosines = get_row_entries(self.neighbors_, document)
        others = items != item
        return items[others][: self.k], cosines[others][: self.k]

    def _build_weights(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, len(self.document_))
        return weight_entries(histories.build_matrix(half_life_days=self.half_life_days), self.history_weighting)

    def _map_to_documents(self, weights: csr_array) -> csr_array:
        return make_csr(
            weights.data,
            self.document_[weights.indices],
            weights.indptr,
            (weights.shape[0], self.vectors_.shape[0]),
        )

    def _build_profiles(self, histories: Histories) -> csr_array:
        return normalize_rows(multiply(self._map_to_documents(self._build_weights(histories)), self.vectors_))

    def _build_vectors(self, counts: csr_array, products: Products, documents: list[int]) -> csr_array:
        logged = make_csr(1.0 + np.log(counts.data), counts.indices, counts.indptr, counts.shape)
        rows = scale_columns(logged, self.inverse_frequency_)
        rows.eliminate_zeros()  # the terms with an inverse frequency of 0
        blocks = [normalize_rows(rows)]
        for block in products.vectors.values() if self.vector_weight else ():
            unit = _center(block[documents])
            blocks.append(make_csr(unit.data * self.vector_weight, unit.indices, unit.indptr, unit.shape))
        return normalize_rows(csr_array(hstack(blocks, format="csr")))

    def _find_similar_items(self, popularity: npt.NDArray[np.float64], cosines: csr_array) -> csr_array:
        """Return CSR (documents, items): the k + 1 documents most similar to each, itself included, as their most popular items.

        One item per text: in a catalog with fifty articles named "Bananas", the alternatives to one are not the other 49.
        """
        by_popularity = np.argsort(popularity, kind="stable").astype(np.int32)
        most_popular = np.empty(self.vectors_.shape[0], np.int32)
        most_popular[self.document_[by_popularity]] = by_popularity  # the last write wins: the most popular item
        shape = (cosines.shape[0], len(self.document_))
        return make_csr(cosines.data, most_popular[cosines.indices], cosines.indptr, shape)


def _find_distinct(products: Products) -> tuple[list[int], npt.NDArray[np.int32]]:
    """Return one item per distinct combination of texts and vectors, and for each item the number of its combination."""
    columns: list[Iterable[object]] = [*products.texts.values()]
    columns += [(row.tobytes() for row in block) for block in products.vectors.values()]
    number_of: dict[tuple[object, ...], int] = {}
    documents = [number_of.setdefault(texts, len(number_of)) for texts in zip(*columns, strict=True)]
    representatives: dict[int, int] = {}
    for item, number in enumerate(documents):
        representatives.setdefault(number, item)
    return list(representatives.values()), np.array(documents, np.int32)


def _center(block: npt.NDArray[np.float32]) -> csr_array:
    """Return rows of length 1, centered on their mean direction, with at most MAX_DIMENSIONS columns; zeros stay zeros."""
    present = block.any(axis=1)
    if not present.any():
        return csr_array(block.shape, dtype=np.float32)
    units = block[present] / np.linalg.norm(block[present], axis=1, keepdims=True)
    directions = np.zeros(block.shape, np.float32)
    directions[present] = units - units.mean(axis=0)
    if block.shape[1] > MAX_DIMENSIONS:
        directions = directions @ compute_right_singular_vectors(csr_array(directions), MAX_DIMENSIONS, seed=0)
    return normalize_rows(csr_array(directions))


def _count_terms(products: Products, documents: list[int]) -> tuple[csr_array, IdMap, npt.NDArray[np.int32]]:
    """Return the count of each term in each document, CSR (documents, terms), and which columns are price bands."""
    terms: list[str] = []
    ends = []
    for item in documents:
        for name, column in products.texts.items():
            terms += split_terms(column[item]) if name in FREE_TEXT else split_values(name, column[item])
        ends.append(len(terms))
    vocabulary, columns = IdMap.number_ids(terms)
    rows = np.repeat(np.arange(len(documents)), np.diff(ends, prepend=0))
    bands = {term for text in set(products.texts.get(PRICE, ())) for term in split_values(PRICE, text)}
    shape = (len(documents), max(len(vocabulary), 1))
    return sum_entries(rows, columns, np.ones(len(terms)), shape), vocabulary, vocabulary.get_rows(sorted(bands))
