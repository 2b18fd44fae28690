"""Popularity of items within the landing category, the category of the first page of a visit."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import FittedModel
from recommendations.engine.data.id_map import IdMap
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.sparse import invert_entries, make_csr, scale_rows, sum_entries

BELOW = " > "  # separates the levels of a category path


class LandingPopularity(FittedModel):
    """share_c(i) = C_i / Σ_j C_j over the items j of category c and its subcategories, with C_i the decayed count of an item.

    term(i) = ln(1 − λ + λ · share_c(i) / p_i) with λ the `weight`. It belongs to the mixture (1 − λ) · p_i + λ · share_c(i), in
    which a visitor takes an item of the category with probability λ and otherwise any item by its popularity. Source of mixtures
    with the overall distribution: Jelinek & Mercer 1980. A category that is unknown or has no interactions adds nothing.
    """

    name = "landing"
    fitted = ("shares_", "paths_")

    def __init__(self, levels: int | None = None):
        self.levels = levels

    def fit(self, counts: npt.NDArray[np.floating], products: Products | None) -> Self:
        """Compute the shares from counts (items,), decayed. Products without `category` give no categories."""
        if products is None or products.category is None or products.categories is None:
            self.paths_, self.shares_ = IdMap.of([]), make_csr([], [], [0], (0, len(counts)))
            return self
        names = products.categories.get_ids()
        ancestor_pairs = [(number, path) for number, name in enumerate(names) for path in list_ancestors(name)]
        self.paths_, path = IdMap.number_ids([path for _number, path in ancestor_pairs])
        category = np.fromiter((number for number, _path in ancestor_pairs), np.int32, len(ancestor_pairs))
        ancestors = csr_array(
            (np.ones(len(ancestor_pairs), np.float32), (path, category)), shape=(len(self.paths_), len(names))
        )
        item = np.flatnonzero((products.category >= 0) & (counts > 0))
        direct_counts = sum_entries(products.category[item], item, counts[item], (len(names), len(counts)))
        category_counts = csr_array(ancestors @ direct_counts)
        self.shares_ = scale_rows(category_counts, invert_entries(np.asarray(category_counts.sum(axis=1)).ravel()))
        return self

    def find_rows(self, paths: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the row of each category path, truncated to its first `levels` levels; -1 if unknown."""
        self.require_fit()
        return self.paths_.get_rows([BELOW.join(path.split(BELOW)[: self.levels]) for path in paths])

    def has_interactions(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Return bool: whether the category of each row has any interaction."""
        lengths = np.append(np.diff(self.shares_.indptr), 0)  # row -1 reads the 0 at the end
        return lengths[rows] > 0

    def select_shares(self, rows: npt.NDArray[np.integer]) -> csr_array:
        """Return CSR (n, items) of the shares; an empty row for row -1."""
        known = rows >= 0
        selected = self.shares_[rows[known]]
        lengths = np.zeros(len(rows), np.int64)
        lengths[known] = np.diff(selected.indptr)
        return make_csr(
            selected.data, selected.indices, np.concatenate([[0], np.cumsum(lengths)]), (len(rows), selected.shape[1])
        )


def list_ancestors(path: str) -> list[str]:
    """Return a path and its ancestors: "a > b > c" → "a", "a > b", "a > b > c"."""
    steps = path.split(BELOW) if path else []
    return [BELOW.join(steps[: depth + 1]) for depth in range(len(steps))]
