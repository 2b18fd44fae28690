"""Mapping between external ids (text) and row numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from recommendations.engine.data.text_kernels import compare_texts, find_text_row, hash_texts

type Ids = Sequence[str] | npt.NDArray[np.generic]


class WrongIdsError(ValueError):
    """Ids that are not text, or that are unknown where they must be known."""


@dataclass(frozen=True, eq=False)
class IdMap:
    """n distinct texts in a fixed order, in four arrays that can be memory-mapped.

    `text` holds the UTF-8 bytes of all ids, id r at offsets[r]…offsets[r + 1]; `hashes` the sorted 64-bit hashes and
    `hash_rows` the row of each. A lookup is a binary search for the hash and a comparison of the bytes, so serving processes share
    the mapped arrays and need no dictionary of their own.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("text", "offsets", "hashes", "hash_rows")

    text: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    hash_rows: npt.NDArray[np.int32]

    @classmethod
    def of(cls, ids: Ids) -> "IdMap":
        """Build the map of the distinct ids, in the order of their UTF-8 bytes."""
        return cls.number_ids(ids)[0]

    @classmethod
    def number_ids(cls, ids: Ids) -> tuple["IdMap", npt.NDArray[np.int32]]:
        """Return the map of the distinct ids and the row of each given id.

        Integer arrays count as their decimal text. Errors: WrongIdsError names the first entry that is not text.
        """
        if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
            distinct, inverse = np.unique(ids, return_inverse=True)
            encoded = [str(number).encode() for number in distinct.tolist()]
        else:
            encoded, inverse = _find_distinct(ids)
        order = sorted(range(len(encoded)), key=encoded.__getitem__)
        rank = np.empty(len(encoded), np.int32)
        rank[order] = np.arange(len(encoded), dtype=np.int32)
        return cls._of_distinct([encoded[position] for position in order]), rank[inverse]

    @classmethod
    def _of_distinct(cls, encoded: list[bytes]) -> "IdMap":
        return cls.of_texts(*_join(encoded))

    @classmethod
    def of_texts(cls, text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> "IdMap":
        """Build the map of distinct texts in this order, without a Python object for each.

        text: their UTF-8 bytes; offsets: int64, shape (n + 1,), where each begins.
        """
        hashes = hash_texts(text, offsets)
        # Sorted hashes allow a binary search in memory-mapped arrays.
        order = np.argsort(hashes, kind="stable")
        return cls(text, offsets, hashes[order], order.astype(np.int32))

    def extend(self, ids: Ids) -> "IdMap":
        """Return a map with the same rows, followed by the new ids in the order of their UTF-8 bytes."""
        others = IdMap.of(ids)
        texts = others._split_texts()
        new = [
            text
            for text, row in zip(texts, self.get_rows([text.decode() for text in texts]).tolist(), strict=True)
            if row < 0
        ]
        return IdMap._of_distinct([*self._split_texts(), *new]) if new else self

    def _split_texts(self) -> list[bytes]:
        whole, ends = self.text.tobytes(), self.offsets.tolist()
        return [whole[start:end] for start, end in pairwise(ends)]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __contains__(self, external_id: object) -> bool:
        return isinstance(external_id, str) and self.get_row(external_id) >= 0

    def get_row(self, external_id: str) -> int:
        """Return the row of one id, -1 if unknown."""
        if not len(self):
            return -1
        encoded = np.frombuffer(_encode([external_id])[0], np.uint8)
        return int(find_text_row(encoded, self.hashes, self.hash_rows, self.text, self.offsets))

    def get_rows(self, ids: Ids) -> npt.NDArray[np.int32]:
        """Return the row of each id as int32, -1 for unknown ids."""
        text, offsets = _join(_encode(ids))
        hashes = hash_texts(text, offsets)
        rows = np.full(len(hashes), -1, np.int32)
        if not len(self):
            return rows
        position = np.searchsorted(self.hashes, hashes)
        unresolved = np.arange(len(hashes))
        while len(unresolved):  # more than one iteration only if two ids share a 64-bit hash
            inside = position[unresolved] < len(self)
            inside[inside] = self.hashes[position[unresolved[inside]]] == hashes[unresolved[inside]]
            unresolved = unresolved[inside]
            candidates = self.hash_rows[position[unresolved]]
            equal = compare_texts(text, offsets, unresolved, self.text, self.offsets, candidates)
            rows[unresolved[equal]] = candidates[equal]
            unresolved = unresolved[~equal]
            position[unresolved] += 1
        return rows

    def get_id(self, row: int) -> str:
        """Return the id of one row. Errors: IndexError outside 0…n-1."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is outside 0…{len(self) - 1}")
        return self.text[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def get_ids(self, rows: Iterable[int] | None = None) -> list[str]:
        """Return the ids of the given rows, by default of all rows."""
        if rows is None:
            return [text.decode() for text in self._split_texts()]
        return [self.get_id(int(row)) for row in rows]

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays that build the same map again."""
        return {name: getattr(self, name) for name in self.PARTS}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray]) -> "IdMap":
        """Return the map of `to_arrays()`; memory-mapped arrays stay memory-mapped."""
        return cls(**{name: arrays[name] for name in cls.PARTS})


def _encode(ids: Ids) -> list[bytes]:
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu":
        return [str(number).encode() for number in ids.tolist()]
    values = ids.tolist() if isinstance(ids, np.ndarray) else ids
    try:
        return [value.encode() for value in values]
    except (AttributeError, UnicodeEncodeError) as problem:
        raise _make_error(values) from problem


def _make_error(values: Iterable[object]) -> WrongIdsError:
    for position, value in enumerate(values):
        if not isinstance(value, str):
            return WrongIdsError(f"id {position} is {value!r} ({type(value).__name__}); ids must be text")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return WrongIdsError(f"id {position} is {value!r}, which is not valid Unicode")
    return WrongIdsError("ids must be text")


def _find_distinct(ids: Ids) -> tuple[list[bytes], npt.NDArray[np.intp]]:
    """Return the distinct ids and the number of each given id; compared by hash, then verified by bytes."""
    encoded = _encode(ids)
    text, offsets = _join(encoded)
    hashes = hash_texts(text, offsets)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if compare_texts(text, offsets, np.arange(len(hashes)), text, offsets, first[inverse]).all():
        return [encoded[position] for position in first.tolist()], inverse
    # Two different ids share a 64-bit hash, which is very rare: compare all by their bytes.
    numbers: dict[bytes, int] = {}
    inverse = np.array([numbers.setdefault(value, len(numbers)) for value in encoded], np.intp)
    return list(numbers), inverse


def _join(encoded: list[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return np.frombuffer(b"".join(encoded), np.uint8), offsets
