"""Products that look nearly the same to a shopper: by title, and by the nearest neighbors that the content model has anyway."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.data.id_map import IdMap

MIN_COSINE = 0.9
TOLERANCE = 1e-5  # of 32-bit cosines
TITLE_FIELDS = ("title", "brand", "category")  # what a card shows beside picture and price


def group_equal_titles(
    texts: Mapping[str, Sequence[str]], popularity: npt.NDArray[np.floating], near: Rows | None = None
) -> Rows:
    """Return int32 (items,): the row of the leader of each item's group, after grouping items of equal title, brand and category.

    Their attributes may differ, such as the manufacturer's part number: shoppers see the same card. The most popular of the equal items leads
    (ties: the lower row), and all of them join its group in ``near``, so that no chains form here either. Items without a title keep
    their group.

    texts: field → (items,) texts, see `Products`. near: see `find_near_identical`; by default each item is alone.
    """
    n_items = len(popularity)
    near = np.arange(n_items, dtype=np.int32) if near is None else near
    if "title" not in texts:
        return near
    codes = np.zeros(n_items, np.int64)
    for column in (texts[field] for field in TITLE_FIELDS if field in texts):
        names, numbers = IdMap.number_ids([" ".join(text.casefold().split()) for text in column])
        codes = np.unique(codes * len(names) + numbers, return_inverse=True)[1].astype(np.int64)
    by_popularity = np.lexsort((-np.arange(n_items), popularity))
    leader = np.empty(n_items, np.int32)
    leader[codes[by_popularity]] = by_popularity  # the last write wins
    has_title = np.fromiter((bool(text.strip()) for text in texts["title"]), np.bool_, n_items)
    return np.where(has_title, near[leader[codes]], near).astype(np.int32)


def find_near_identical(
    content: Content, popularity: npt.NDArray[np.floating], *, min_cosine: float = MIN_COSINE
) -> Rows:
    """Return int32 (items,): for each item the row of the leader of its group, its own row if it is alone.

    In descending popularity, each text without a group becomes a leader, and all texts without a group whose cosine with it is at least
    min_cosine join it. Every product of a group is therefore near its leader: with connected components instead, a chain A ~ B ~ C would
    group products that have little in common. Products with the same text are one group. A text without terms is near no other.

    popularity: (items,), decides who leads; ties go to the lower row.
    """
    document = content.document_
    n_documents = content.vectors_.shape[0]
    by_popularity = np.lexsort((-np.arange(len(document)), popularity))
    leader_item = np.empty(n_documents, np.int32)
    leader_item[document[by_popularity]] = by_popularity  # the last write wins: the most popular item of each text
    weight = np.bincount(document, popularity, n_documents)
    order = np.lexsort((leader_item, -weight))
    leaders = _assign_leaders(content, order, min_cosine - TOLERANCE)
    near = leader_item[leaders][document]
    has_terms = np.diff(content.vectors_.indptr) > 0
    return np.where(has_terms[document], near, np.arange(len(document))).astype(np.int32)


def _assign_leaders(content: Content, order: npt.NDArray[np.intp], min_cosine: float) -> Rows:
    """Return the leader of each text, shape (documents,)."""
    neighbors, document = content.neighbors_, content.document_
    n = neighbors.shape[0]
    is_near = neighbors.data >= min_cosine
    owners = np.repeat(np.arange(n), np.diff(neighbors.indptr))
    near_counts = np.bincount(owners[is_near], minlength=n)
    others = document[neighbors.indices[is_near]]
    ends = np.cumsum(near_counts)
    # a text whose stored neighbors are all near may have further near texts, so its cosines with all texts are computed
    is_full = (near_counts > content.k) & (n > content.k + 1)
    has_near = near_counts > 1
    leaders = np.full(n, -1, np.int32)
    for text in order[has_near[order]].tolist():
        if leaders[text] >= 0:
            continue
        near = others[ends[text] - near_counts[text] : ends[text]]
        if is_full[text]:
            near = np.flatnonzero(_compute_cosines(content.vectors_, text) >= min_cosine)
        leaders[near[leaders[near] < 0]] = text
        leaders[text] = text
    return np.where(leaders < 0, np.arange(n), leaders).astype(np.int32)


def _compute_cosines(vectors: csr_array, row: int) -> npt.NDArray[np.float32]:
    """Return the cosine of one row of unit vectors with every row."""
    start, stop = vectors.indptr[row], vectors.indptr[row + 1]
    dense = np.zeros(vectors.shape[1], vectors.dtype)
    dense[vectors.indices[start:stop]] = vectors.data[start:stop]
    return np.asarray(vectors @ dense)
