"""Ranks what customers buy most.

The most frequent codes with their shares are encoded as rows of a binary COPY.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.interests import favorite_kernels as kernels
from customers.lifecycle.scoring.interests.favorite_kernels import compiled

type Bytes = npt.NDArray[np.uint8]

ROWS_PER_BLOCK = 50_000  # bounds the memory of a block


@dataclass(frozen=True, eq=False)
class Favorites:
    """The most frequent codes of n customers.

    Customer i has code and count start[i] to start[i + 1], the most frequent first. total: shape (n,), the denominators of the
    shares. names: of the codes, strings or numbers.
    """

    start: Ints
    code: Ints
    count: Ints
    total: Ints
    names: Sequence[str | int]

    @cached_property
    def encoded_names(self) -> tuple[Bytes, Ints]:
        """Return the names as concatenated JSON, and where each begins."""
        texts = [json.dumps(name, ensure_ascii=False).encode() for name in self.names]
        starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return np.frombuffer(b"".join(texts), np.uint8), starts

    def bound_sizes(self) -> Ints:
        """Return an upper bound of the bytes of each customer's field, shape (n,)."""
        item_sizes = np.diff(self.encoded_names[1])[self.code] + kernels.ITEM_BYTES
        sums = np.concatenate(([0], np.cumsum(item_sizes)))
        return sums[self.start[1:]] - sums[self.start[:-1]] + kernels.FIELD_BYTES


def rank_favorites(*, start: Ints, code: Ints, total: Ints, names: Sequence[str | int], limit: int) -> Favorites:
    """Rank the codes of each customer by frequency and keep the first `limit`.

    start: shape (n + 1,); customer i has the codes start[i] to start[i + 1], -1 for none. Ties: the lower code first.
    """
    return Favorites(*kernels.rank_codes(start, code, len(names), limit), total, names)


def merge_favorites(first: Favorites, second: Favorites) -> Favorites:
    """Merge both rankings of each customer.

    Codes, names and totals have the same meaning in both.
    """
    merged = kernels.merge_ranked_codes(first.start, first.code, first.count, second.start, second.code, second.count)
    return Favorites(*merged, first.total, first.names)


def encode_copy_rows(*, customer: Ints, columns: tuple[Favorites, Favorites, Favorites]) -> Iterator[bytes]:
    """Yield blocks of a binary COPY of the favorites.

    A row has the customer ID and three jsonb columns of [name, share] pairs, rounded to 4 places.
    """
    offsets = np.concatenate(
        ([0], np.cumsum(sum((column.bound_sizes() for column in columns), np.int64(kernels.ROW_BYTES))))
    )
    a, b, c = ((column.start, column.code, column.count, column.total, *column.encoded_names) for column in columns)
    for low in range(0, len(customer), ROWS_PER_BLOCK):
        high = min(low + ROWS_PER_BLOCK, len(customer))
        out = np.empty(int(offsets[high] - offsets[low]), np.uint8)
        yield out[: _write_rows(out, low, high, customer, a, b, c)].tobytes()


type Column = tuple[Ints, Ints, Ints, Ints, Bytes, Ints]


@compiled
def _write_rows(out: Bytes, low: int, high: int, customer: Ints, a: Column, b: Column, c: Column) -> int:
    """Write the rows low to high; return the number of bytes."""
    at = 0
    for i in range(low, high):
        at = kernels.write_row_header(out, at, 4, customer[i])
        at = kernels.write_pairs(out, at, i, a[0], a[1], a[2], a[3], a[4], a[5])
        at = kernels.write_pairs(out, at, i, b[0], b[1], b[2], b[3], b[4], b[5])
        at = kernels.write_pairs(out, at, i, c[0], c[1], c[2], c[3], c[4], c[5])
    return at
