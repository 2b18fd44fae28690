"""Input of a recommendation: the past interactions of n users, known to the model or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.weighting import decay_weights
from recommendations.engine.linear_algebra.sparse import make_csr, sum_entries


@dataclass(frozen=True, eq=False)
class Histories:
    """Row r has entries indptr[r]…indptr[r + 1] of item, order, weight and kind, oldest first.

    user: int32 (n,) the user's row in the training data, -1 for a user whom the model does not know; neighbor methods leave a user
    out of their own neighbors. as_of: the moment from which ages are counted. day_offset_s: see `Interactions`.
    """

    indptr: npt.NDArray[np.int64]
    item: npt.NDArray[np.int32]
    order: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    user: npt.NDArray[np.int32]
    n_items: int
    as_of: float
    day_offset_s: float = 0.0

    @classmethod
    def of_lists(
        cls,
        items: Sequence[npt.ArrayLike],
        *,
        n_items: int,
        weights: Sequence[npt.ArrayLike] | None = None,
        orders: Sequence[npt.ArrayLike] | None = None,
        kinds: Sequence[npt.ArrayLike] | None = None,
        users: npt.ArrayLike | None = None,
        as_of: float | None = None,
    ) -> Self:
        """Build one history per list of item rows, oldest first; by default weight 1, order = position, user unknown."""
        lengths = [len(np.atleast_1d(np.asarray(row))) for row in items]
        item = _concatenate(items, np.int32)
        if len(item) and not (item.min() >= 0 and item.max() < n_items):
            raise ValueError(f"items must be rows 0…{n_items - 1}, got {item.min()}…{item.max()}")
        order = _concatenate([np.arange(length) for length in lengths] if orders is None else orders, np.float64)
        weight = np.ones(len(item), np.float32) if weights is None else _concatenate(weights, np.float32)
        kind = np.zeros(len(item), np.int8) if kinds is None else _concatenate(kinds, np.int8)
        for name, column in (("orders", order), ("weights", weight), ("kinds", kind)):
            if len(column) != len(item):
                raise ValueError(
                    f"{name} has {len(column)} entries, items has {len(item)}; they must have the same length"
                )
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError("weights must be finite and not negative")
        return cls(
            indptr=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
            item=item,
            order=order,
            weight=weight,
            kind=kind,
            user=np.full(len(lengths), -1, np.int32) if users is None else np.asarray(users, np.int32),
            n_items=n_items,
            as_of=(float(order.max()) if len(order) else 0.0) if as_of is None else as_of,
        )

    @classmethod
    def of_matrix(cls, matrix: csr_array, *, users: npt.ArrayLike | None = None) -> Self:
        """Build one history per row of a CSR (n, n_items): entry = weight, all of the same age."""
        matrix = csr_array(matrix)
        return cls(
            indptr=matrix.indptr.astype(np.int64),
            item=matrix.indices.astype(np.int32),
            order=np.zeros(matrix.nnz),
            weight=matrix.data.astype(np.float32),
            kind=np.zeros(matrix.nnz, np.int8),
            user=np.full(matrix.shape[0], -1, np.int32) if users is None else np.asarray(users, np.int32),
            n_items=matrix.shape[1],
            as_of=0.0,
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def slice_rows(self, start: int, stop: int) -> Self:
        """Return histories start…stop-1."""
        first, last = self.indptr[start], self.indptr[min(stop, len(self))]
        return replace(
            self,
            indptr=self.indptr[start : stop + 1] - first,
            item=self.item[first:last],
            order=self.order[first:last],
            weight=self.weight[first:last],
            kind=self.kind[first:last],
            user=self.user[start:stop],
        )

    def select_entries(self, mask: npt.NDArray[np.bool_]) -> Self:
        """Return the same histories with only the chosen entries."""
        return replace(
            self,
            indptr=np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])[self.indptr],
            item=self.item[mask],
            order=self.order[mask],
            weight=self.weight[mask],
            kind=self.kind[mask],
        )

    def append(self, other: Self) -> Self:
        """Return a single history followed by the entries of another single history, whatever their order."""
        item = np.concatenate([self.item, other.item])
        return replace(
            self,
            indptr=np.array([0, len(item)], np.int64),
            item=item,
            order=np.concatenate([self.order, other.order]),
            weight=np.concatenate([self.weight, other.weight]),
            kind=np.concatenate([self.kind, other.kind]),
        )

    def build_matrix(self, *, half_life_days: float | None = None) -> csr_array:
        """Return CSR (n, n_items) of summed weights, aged by the half-life."""
        rows = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.indptr))
        weight = decay_weights(self.weight, self.order, self.as_of, half_life_days)
        return sum_entries(rows, self.item, weight, (len(self), self.n_items))

    def number_moments(self) -> npt.NDArray[np.int64]:
        """Return the number of each entry's moment within its history, from 0; equal orders are one moment."""
        begins = np.ones(len(self.item), np.bool_)
        begins[1:] = self.order[1:] != self.order[:-1]
        lengths = np.diff(self.indptr)
        starts = self.indptr[:-1][lengths > 0]
        begins[starts] = True  # even if the order equals the last one of the previous history
        numbers = np.cumsum(begins)
        return numbers - np.repeat(numbers[starts], lengths[lengths > 0])

    def count_moments_back(self) -> npt.NDArray[np.int64]:
        """Return the number of moments back from the newest of the history: 0 for the last moment."""
        numbers = self.number_moments()
        lengths = np.diff(self.indptr)
        lasts = self.indptr[1:][lengths > 0] - 1
        return np.repeat(numbers[lasts], lengths[lengths > 0]) - numbers

    def get_seen_items(self, kinds: Sequence[int] | None = None) -> csr_array:
        """Return CSR (n, n_items); its stored columns are the items of each history, with `kinds` only of these, and may repeat."""
        item, indptr = self.item, self.indptr
        if kinds is not None:
            mask = np.isin(self.kind, kinds)
            item, indptr = item[mask], np.concatenate([[0], np.cumsum(mask)])[indptr]
        return make_csr(np.ones(len(item)), item, indptr, (len(self), self.n_items))


def _concatenate(rows: Sequence[npt.ArrayLike], dtype: type[np.generic]) -> npt.NDArray:
    parts = [np.atleast_1d(np.asarray(row, dtype)) for row in rows]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
