"""Compiled loop that writes the JSON of a list of items from the kept JSON of its products."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.linear_algebra.jit import compiled_with_gil

# Columns of the table: where the JSON before the rank (head), and from the field of the product on (tail), begins, and its length.
HEAD, HEAD_LENGTH, TAIL, TAIL_LENGTH = 0, 1, 2, 3
MAX_NUMBER_BYTES = 48  # size of rank and score, including the name of the score's field
MILLION = 1_000_000  # scores have six decimals
MAX_SCORE = 1e9  # up to here, fifteen digits are enough for six decimals
LINE_BYTES = 64  # size of a cache line
ITEMS_AHEAD = 24  # items whose JSON is prefetched while another one is copied
SCORE_FIELD = np.frombuffer(b',"score":', np.uint8)
ZERO, POINT, COMMA = ord("0"), ord("."), ord(",")
TINY = np.frombuffer(b"e-6", np.uint8)  # the end of 0.000001 to 0.000009 as msgspec writes them


def _declare_copy(_typing_context: Any, _target: Any, _source: Any, _length: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        target, source = (builder.inttoptr(address, cgutils.voidptr_t) for address in arguments[:2])
        cgutils.raw_memcpy(builder, target, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


copy_bytes: Any = intrinsic(_declare_copy)  # (target, source, length): two addresses and a number of bytes


def _declare_prefetch(_typing_context: Any, _address: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        number = cgutils.int32_t
        kind = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        pointer = builder.inttoptr(arguments[0], cgutils.voidptr_t)
        builder.call(prefetch, [pointer, number(0), number(3), number(1)])  # to read data, into all levels of the cache
        return context.get_dummy_value()

    return types.void(types.int64), generate


prefetch_line: Any = intrinsic(_declare_prefetch)  # (address): start to load a line of memory into the cache


@compiled_with_gil
def prefetch_item(table: AnyInts, row: int) -> None:
    """Start to load the JSON of a product: products of a list are scattered in memory."""
    for column in (HEAD, TAIL):
        for offset in range(0, table[row, column + 1], LINE_BYTES):
            prefetch_line(table[row, column] + offset)


@compiled_with_gil
def write_digits(out: npt.NDArray[np.uint8], at: int, number: int) -> int:
    """Write a number ≥ 0 and return where it ends."""
    divisor = 1
    while number // divisor >= 10:
        divisor *= 10
    while divisor > 0:
        out[at] = ZERO + number // divisor % 10
        at += 1
        divisor //= 10
    return at


@compiled_with_gil
def write_score(out: npt.NDArray[np.uint8], at: int, millionths: int) -> int:
    """Write a number of millionths as the shortest decimal number that has this value, and return where it ends."""
    if 0 < millionths < 10:
        out[at] = ZERO + millionths
        for index in range(TINY.shape[0]):
            out[at + 1 + index] = TINY[index]
        return at + 1 + TINY.shape[0]
    at = write_digits(out, at, millionths // MILLION)
    out[at] = POINT
    rest, divisor = millionths % MILLION, MILLION // 10
    while True:
        at += 1
        out[at] = ZERO + rest // divisor
        rest %= divisor
        if rest == 0:
            return at + 1
        divisor //= 10


@compiled_with_gil
def write_items(
    table: AnyInts,
    rows: AnyInts,
    first_rank: int,
    scores: AnyFloats,
    reasons: npt.NDArray[np.uint8],
    reason_lengths: AnyInts,
) -> npt.NDArray[np.uint8]:
    """Return the JSON of items, each with a comma after it; empty if a score is negative, too large or no number.

    table: (n, 4), the columns above by row. reasons: the fields of all reasons, one after the other.
    """
    size = reasons.shape[0]
    for row in rows:
        size += table[row, HEAD_LENGTH] + table[row, TAIL_LENGTH] + MAX_NUMBER_BYTES
    out = np.empty(size, np.uint8)
    start, next_reason = out.ctypes.data, reasons.ctypes.data
    at = 0
    for position in range(rows.shape[0]):
        score = np.float64(scores[position])
        if np.signbit(score) or not score < MAX_SCORE:
            return out[:0]
        if position + ITEMS_AHEAD < rows.shape[0]:
            prefetch_item(table, rows[position + ITEMS_AHEAD])
        row = rows[position]
        copy_bytes(start + at, table[row, HEAD], table[row, HEAD_LENGTH])
        at = write_digits(out, at + table[row, HEAD_LENGTH], first_rank + position)
        for index in range(SCORE_FIELD.shape[0]):
            out[at + index] = SCORE_FIELD[index]
        at = write_score(out, at + SCORE_FIELD.shape[0], int(np.rint(score * MILLION)))
        length = int(reason_lengths[position])
        copy_bytes(start + at, next_reason, length)
        next_reason += length
        copy_bytes(start + at + length, table[row, TAIL], table[row, TAIL_LENGTH])
        at += length + table[row, TAIL_LENGTH]
    return out[:at]
