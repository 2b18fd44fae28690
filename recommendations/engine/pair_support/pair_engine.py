"""Decides where pairs are counted: in this process, or on an engine that a training has chosen for data too large for one machine.

Only work that grows with the square of a history is sent to the engine. It returns the same arrays, so nothing changes for serving.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from config.foundation.array_types import Floats, Ints, Rows


class CountedPairs(NamedTuple):
    """Pairs of items, arrays of shape (m,): their rows and columns, and in how many baskets and for how many people they occur."""

    row: Ints
    column: Ints
    orders: Rows
    people: Rows


class PairScore(NamedTuple):
    """How `find_top_pairs` scores pairs. share, factor: of each item, shape (items,). The others: its arguments."""

    share: Floats
    factor: Floats
    min_count: int
    prior: float
    z: float


class FirstAndLast(NamedTuple):
    """The distinct pairs of user and item, arrays of shape (m,), with the times of the first and the last interaction."""

    user: Rows
    item: Rows
    first: Floats
    last: Floats


class PairEngine(ABC):
    """Counts pairs outside of this process."""

    @abstractmethod
    def find_neighbors(self, items: csr_array, *, k: int, shrinkage: float) -> csr_array:
        """Return the k most similar items of each, best first, as `multiply_top_k_rows` of the normalized rows does.

        items: CSR (items, users) of weights. Sums of 32-bit numbers depend on their order: values agree to six digits.
        """

    @abstractmethod
    def count_baskets(self, basket_items: csr_array, basket_user: Rows, *, k: int, score: PairScore) -> CountedPairs:
        """Return at least the k best pairs of each item, with their exact counts."""

    @abstractmethod
    def count_people(self, pairs: csr_array, entries: FirstAndLast, *, in_order: bool) -> Rows:
        """Return how many users have both items of each stored entry, int32 (nnz,); with `in_order` the second one after the first."""

    @abstractmethod
    def is_worth_sending(self, terms: int) -> bool:
        """Return whether this many products of two entries are worth sending to the engine."""


_ENGINE: ContextVar[PairEngine | None] = ContextVar("pair_engine", default=None)


@contextmanager
def use_pair_engine(engine: PairEngine | None) -> Iterator[None]:
    """Count pairs on an engine within the `with` block; None: in this process."""
    token = _ENGINE.set(engine)
    try:
        yield
    finally:
        _ENGINE.reset(token)


def find_pair_engine(lengths: npt.NDArray[np.integer]) -> PairEngine | None:
    """Return the engine of the `with` block if the pairs are worth sending; None: count here. lengths: entries of each owner of pairs."""
    engine = _ENGINE.get()
    terms = int(np.square(lengths, dtype=np.int64).sum()) if engine is not None else 0
    return engine if engine is not None and engine.is_worth_sending(terms) else None
