"""Shared parts of the algorithms that add a customer's own baskets to those of similar customers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import (
    Algorithm,
    Attribution,
    require_purchases,
    select_purchases,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.linear_algebra.sparse import multiply, select_columns


class BasketNeighbors(Algorithm):
    """score(u, i) = own_ui + Σ_v weight_uv · rows_vi, v the neighbors of u.

    Baskets are the purchases of one moment. rows_: CSR (users, items) that neighbors add. kinds: the interactions that count as
    purchases (None: all).
    """

    kinds: Sequence[str] | None
    rows_: csr_array

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        self.require_parameters()
        self.fit_purchases(require_purchases(interactions, self.kinds))
        return self

    def score(self, histories: Histories) -> csr_array:
        self.require_fit()
        self.require_histories(histories, self.rows_.shape[1])
        purchases = select_purchases(histories, self.kinds)
        neighbors = self.weigh_neighbors(self.compare_baskets(purchases), purchases)
        scores = csr_array(self.weigh_own(purchases) + multiply(neighbors, self.rows_))
        return scores.astype(np.float32)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        purchases = select_purchases(history, self.kinds)
        own = self.weigh_own(purchases)
        is_own = own.indices[:, None] == np.asarray(items)[None, :]
        attributions = [Attribution(self.name, own.indices, is_own * own.data[:, None])]
        compared = self.compare_baskets(purchases)
        neighbors = self.weigh_neighbors(compared, purchases)
        if not neighbors.nnz:
            return attributions
        # The part of a neighbor is divided among the items that both have, by what each adds to the similarity.
        parts = select_columns(self.get_compared_rows(), neighbors.indices, compared.indices) * compared.data
        parts = parts / parts.sum(axis=1, keepdims=True)
        scores = neighbors.data[:, None] * select_columns(self.rows_, neighbors.indices, items)
        return [*attributions, Attribution(self.name, compared.indices, parts.T @ scores)]

    @abstractmethod
    def require_parameters(self) -> None:
        """Check the parameters. Errors: ValueError."""

    @abstractmethod
    def fit_purchases(self, purchases: Histories) -> None:
        """Learn from the purchases of the users in training, row r those of user r."""

    @abstractmethod
    def weigh_own(self, purchases: Histories) -> csr_array:
        """Return CSR (n, items): what the baskets of each customer themselves add."""

    @abstractmethod
    def compare_baskets(self, purchases: Histories) -> csr_array:
        """Return CSR (n, items), positive vectors by which neighbors are found."""

    @abstractmethod
    def get_compared_rows(self) -> csr_array:
        """Return the vectors of the users in training, CSR (users, items)."""

    @abstractmethod
    def weigh_neighbors(self, compared: csr_array, purchases: Histories) -> csr_array:
        """Return CSR (n, users): the weights of the neighbors, who have an item in common."""
