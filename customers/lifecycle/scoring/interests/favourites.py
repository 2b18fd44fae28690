"""What customers buy most: each one's most frequent codes with their shares, and these as rows of a binary COPY."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Ints
from customers.lifecycle.scoring.interests import favourite_kernels as kernels
from customers.lifecycle.scoring.interests.favourite_kernels import compiled

type Bytes = npt.NDArray[np.uint8]

ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Favourites:
    """Of n customers: customer i has code and count start[i] to start[i + 1], the most frequent first. total: shape (n,), what shares
    are of. names: of the codes, texts or numbers."""

    start: Ints
    code: Ints
    count: Ints
    total: Ints
    names: Sequence[str | int]

    @cached_property
    def spelt(self) -> tuple[Bytes, Ints]:
        """The names as JSON, one after the other, and where each begins."""
        texts = [json.dumps(name, ensure_ascii=False).encode() for name in self.names]
        starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return np.frombuffer(b"".join(texts), np.uint8), starts

    def sizes(self) -> Ints:
        """At most so many bytes for each customer's field, shape (n,)."""
        of_items = np.diff(self.spelt[1])[self.code] + kernels.ITEM_BYTES
        sums = np.concatenate(([0], np.cumsum(of_items)))
        return sums[self.start[1:]] - sums[self.start[:-1]] + kernels.FIELD_BYTES


def favourites(*, start: Ints, code: Ints, total: Ints, names: Sequence[str | int], most: int) -> Favourites:
    """start: shape (n + 1,), customer i has the codes start[i] to start[i + 1], -1 for none; of equal counts the lower code comes first."""
    return Favourites(*kernels.most_frequent(start, code, len(names), most), total, names)


def merge_favourites(one: Favourites, other: Favourites) -> Favourites:
    """Both lists of each customer as one; their codes and totals are the same kind."""
    found = kernels.merged(one.start, one.code, one.count, other.start, other.code, other.count)
    return Favourites(*found, one.total, one.names)


def copy_rows(*, customer: Ints, columns: tuple[Favourites, Favourites, Favourites]) -> Iterator[bytes]:
    """Pieces of a binary COPY: the customer's id and three columns of jsonb with pairs of name and share, rounded half up to 4 places."""
    room = np.concatenate(([0], np.cumsum(sum((column.sizes() for column in columns), np.int64(kernels.ROW_BYTES)))))
    a, b, c = ((column.start, column.code, column.count, column.total, *column.spelt) for column in columns)
    for low in range(0, len(customer), ROWS):
        high = min(low + ROWS, len(customer))
        out = np.empty(int(room[high] - room[low]), np.uint8)
        yield out[: _rows(out, low, high, customer, a, b, c)].tobytes()


type Column = tuple[Ints, Ints, Ints, Ints, Bytes, Ints]


@compiled
def _rows(out: Bytes, low: int, high: int, customer: Ints, a: Column, b: Column, c: Column) -> int:
    at = 0
    for i in range(low, high):
        at = kernels.put_head(out, at, 4, customer[i])
        at = kernels.put_pairs(out, at, i, a[0], a[1], a[2], a[3], a[4], a[5])
        at = kernels.put_pairs(out, at, i, b[0], b[1], b[2], b[3], b[4], b[5])
        at = kernels.put_pairs(out, at, i, c[0], c[1], c[2], c[3], c[4], c[5])
    return at
