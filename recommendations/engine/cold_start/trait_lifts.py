"""Lift of each item among users with a trait, shrunk toward 1 where data are sparse."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import FittedModel
from recommendations.engine.cold_start.customer_traits import CustomerTraits, get_trait_field
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.weighting import weight_entries
from recommendations.engine.linear_algebra.sparse import multiply, sum_entries


def compute_log_lifts(
    pair_counts: npt.NDArray[np.floating], shares: npt.NDArray[np.floating], pseudo_count: float
) -> npt.NDArray[np.float32]:
    """Return ln((n_gi + s) / (N_g · p_i + s)), float32 of the shape of `together`.

    together: (groups, items) n_gi, how many users of a group have an item; N_g is its sum over the items. shares: (items,) p_i,
    an item's share of all (user, item) pairs, so that N_g · p_i is expected for a group like all others. s `pseudo_count` adds
    that many expected users and shrinks the lift toward 1. Source: gamma-Poisson shrinkage, DuMouchel, The American Statistician
    1999, with a prior of mean 1.
    """
    expected = pair_counts.sum(axis=1, keepdims=True) * shares[None, :]
    return np.log((pair_counts + pseudo_count) / (expected + pseudo_count)).astype(np.float32)


class TraitLifts(FittedModel):
    """term(i) = Σ_f ln((n_fi + s) / (N_f · p_i + s)) over the values f of a user: naive Bayes with items as classes.

    Values with fewer than `min_people` users add nothing. Correlated traits count twice; `ColdStart` damps the sum before it adds
    it to ln p_i. Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 13.2.
    """

    name = "trait-lifts"
    fitted = ("lifts_", "values_")

    def __init__(self, pseudo_count: float = 20.0, min_people: int = 5):
        self.pseudo_count = pseudo_count
        self.min_people = min_people

    def fit(self, user_traits: CustomerTraits, has: csr_array, shares: npt.NDArray[np.floating]) -> Self:
        """Learn the lifts. has: CSR (n, m), 1 where a user has an item; shares: (m,) share of all pairs, above 0."""
        if not self.pseudo_count > 0:
            raise ValueError(f"pseudo_count must be greater than 0, got {self.pseudo_count}")
        pair_counts = multiply(csr_array(user_traits.has.T.tocsr()), has).toarray()
        is_frequent = np.bincount(user_traits.has.indices, minlength=len(user_traits.values)) >= self.min_people
        self.lifts_ = np.where(
            is_frequent[:, None], compute_log_lifts(pair_counts, shares, self.pseudo_count), np.float32(0)
        )
        self.values_ = user_traits.values
        return self

    def compute_terms(
        self, has: csr_array, columns: npt.NDArray[np.integer] | slice = slice(None)
    ) -> npt.NDArray[np.float32]:
        """Return the terms (n, columns) for users described by the same values."""
        return np.asarray(has @ self.lifts_[:, columns], np.float32)

    def split_by_field(
        self, codes: npt.NDArray[np.integer], columns: Sequence[int]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return the part of the term that each field of one user adds; the parts sum to the term."""
        parts: dict[str, npt.NDArray[np.float32]] = {}
        for code in codes.tolist():
            field, values = get_trait_field(self.values_.get_id(code)), self.lifts_[code, list(columns)]
            parts[field] = parts[field] + values if field in parts else values
        return parts


def build_user_items(interactions: Interactions) -> csr_array:
    """Return CSR (users, items) with a 1 where a user has an interaction with positive weight with an item."""
    is_positive = interactions.weight > 0
    shape = (interactions.n_users, interactions.n_items)
    rows, columns = interactions.user[is_positive], interactions.item[is_positive]
    return weight_entries(sum_entries(rows, columns, np.ones(len(rows), np.float32), shape), "binary")
