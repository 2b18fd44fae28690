"""Compiled hashing, comparison and lookup of ids stored as one block of bytes."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyInts, Flags
from config.foundation.random_numbers.splitmix64 import FIRST_FACTOR
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil

type Bytes = npt.NDArray[np.uint8]


@compiled
def hash_texts(blob: Bytes, offsets: AnyInts) -> npt.NDArray[np.uint64]:
    """Return the 64-bit FNV-1a hash of each text, finished with one round of SplitMix64; the same in every process."""
    hashes = np.empty(offsets.shape[0] - 1, np.uint64)
    for index in range(hashes.shape[0]):
        value = np.uint64(0xCBF29CE484222325)
        for position in range(offsets[index], offsets[index + 1]):
            value = (value ^ np.uint64(blob[position])) * np.uint64(0x100000001B3)
        value = (value ^ (value >> np.uint64(30))) * FIRST_FACTOR
        hashes[index] = value ^ (value >> np.uint64(31))
    return hashes


@compiled
def compare_texts(
    blob: Bytes, offsets: AnyInts, rows: AnyInts, other_blob: Bytes, other_offsets: AnyInts, other_rows: AnyInts
) -> Flags:
    """Return for each i whether text rows[i] of the first set equals text other_rows[i] of the second."""
    equal = np.empty(rows.shape[0], np.bool_)
    for index in range(rows.shape[0]):
        start = offsets[rows[index]]
        length = offsets[rows[index] + 1] - start
        other_start = other_offsets[other_rows[index]]
        equal[index] = other_offsets[other_rows[index] + 1] - other_start == length
        position = 0
        while equal[index] and position < length:
            equal[index] = blob[start + position] == other_blob[other_start + position]
            position += 1
    return equal


@compiled_with_gil
def find_text_row(encoded: Bytes, hashes: AnyInts, hash_rows: AnyInts, text: Bytes, offsets: AnyInts) -> int:
    """Return the row of one text, -1 if unknown; the single-text version of `IdMap.get_rows`."""
    ends = np.array([0, encoded.shape[0]])  # one text as a block of texts: the same hash as in a batch
    value = hash_texts(encoded, ends)[0]
    position = np.searchsorted(hashes, value)
    # Several ids may share a hash, so all of them are compared.
    while position < hashes.shape[0] and hashes[position] == value:
        row = hash_rows[position]
        length = offsets[row + 1] - offsets[row]
        if length == encoded.shape[0]:
            is_equal = True
            for offset in range(length):
                if text[offsets[row] + offset] != encoded[offset]:
                    is_equal = False
                    break
            if is_equal:
                return row
        position += 1
    return -1
