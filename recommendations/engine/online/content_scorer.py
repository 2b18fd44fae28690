"""Online scorer of the content algorithm, and the order of a few new rows by their content."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.online.content_kernels import rank_new_rows
from recommendations.engine.online.context import NO_SCORES, ComponentScores, HistoryContext, Values
from recommendations.engine.online.kernels import add_content_contributions, expand_documents

if TYPE_CHECKING:
    from recommendations.engine.algorithms.content.content import Content


class ContentProfile(NamedTuple):
    """The content of a history as a vector of length 1 by term, and the items it is made of, with their documents and weights."""

    terms: Rows
    values: Values
    items: Rows
    documents: Rows
    weights: Values


class ContentScorer:
    """Multiplies the profile of a history by all documents, then gives each document's score to the items that share it."""

    def __init__(self, component: "Content") -> None:
        self.component = component
        vectors = component.vectors_
        self.width = find_content_width(component)
        self.items_by_document = np.argsort(component.document_, kind="stable").astype(np.int32)
        sorted_documents = component.document_[self.items_by_document]
        self.starts = np.searchsorted(sorted_documents, np.arange(vectors.shape[0] + 1))

    def score(self, context: HistoryContext) -> ComponentScores:
        profile = build_profile(self.component, context)
        if profile is None:
            return NO_SCORES
        documents, scores = context.work.multiply(profile.terms, profile.values, self.component.term_documents_)
        rows, values = expand_documents(documents, scores, self.starts, self.items_by_document)
        return ComponentScores(rows, values, profile)

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        if scores.memo is not None:
            slots = context.work.slots[scores.memo.items]
            _add_similarities(self.component, scores.memo, rows, slots, context.work.part, out)


def build_profile(component: "Content", context: HistoryContext) -> ContentProfile | None:
    """Return the content profile of the history, None for a history without content."""
    items, weights = context.sum_weights(component.half_life_days, component.history_weighting)
    documents = component.document_[items]
    terms, profile = context.work.multiply(documents, weights, component.vectors_)
    squares = profile.astype(np.float64)
    squares *= squares
    length = math.sqrt(squares.sum())
    if not length:
        return None
    return ContentProfile(terms, profile / np.float32(length), items, documents, (weights / length).astype(np.float32))


def rank_new_products(
    component: "Content", context: HistoryContext, rows: Rows, thetas: Values, *, excluded: Rows, min_affinity: float
) -> tuple[npt.NDArray[np.int64], Values]:
    """Return the positions of the rows that are neither in the history nor excluded, and the factor of each, best first.

    The order is by descending θ · factor, with factor = min_affinity + content score from 0 to 1.
    """
    items, weights = context.sum_weights(component.half_life_days, component.history_weighting)
    vectors, work = component.vectors_, context.work
    return rank_new_rows(
        rows, thetas, context.history.item, excluded, min_affinity, items, weights, component.document_,
        vectors.indptr, vectors.indices, vectors.data, work.part, work.part_touched, work.part_order,
    )  # fmt: skip


def find_content_width(component: "Content") -> int:
    """Return how wide a workspace must be for the content of a history."""
    return max(component.vectors_.shape)


def _add_similarities(
    component: "Content", profile: ContentProfile, rows: Rows, slots: Rows, buffer: Values, out: Values
) -> None:
    """Add their cosine times the item's weight to out[slot of each item of the profile, column of each row]."""
    known = rows < len(component.document_)
    targets = np.where(known, component.document_[np.where(known, rows, 0)], -1)
    vectors = component.vectors_
    add_content_contributions(
        profile.documents, profile.weights, slots, targets, vectors.indptr, vectors.indices, vectors.data, buffer, out
    )
