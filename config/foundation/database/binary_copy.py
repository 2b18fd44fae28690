"""Moves numbers between PostgreSQL and NumPy by binary COPY: millions of rows without a Python object per row.

Every column is a bigint or a double precision without nulls. Moments are microseconds since 1970, texts are codes. A query
may also return timestamptz columns, which have eight bytes as well.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from psycopg import sql

from config.foundation.array_types import NEVER

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
BLOCK_ROWS = 100_000
DECODE_BYTES = 1 << 25
INFINITY = np.iinfo(np.int64).max
POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000

type IntegerColumns = dict[str, npt.NDArray[np.int64]]
type NumberColumns = Mapping[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]


def _build_row_type(names: Sequence[str], letters: Sequence[str] = ()) -> np.dtype[Any]:
    """Return the type of a row of COPY: the number of fields, then each field's length and value.

    letters: i for a bigint, f for a double precision; by default all are bigints.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, letter in zip(names, letters or "i" * len(names), strict=True):
        fields += [(f"{name}_length", ">i4"), (name, f">{letter}8")]
    return np.dtype(fields)


def read_integers(query: sql.Composable, names: Sequence[str], *, moments: Sequence[str] = ()) -> IntegerColumns:
    """Return the columns of a query of bigints by name; columns in ``moments`` are timestamptz, infinity is ``NEVER``.

    Raises:
        ValueError: a row has a null or another type.
    """
    blocks_by_column: dict[str, list[npt.NDArray[np.int64]]] = {name: [] for name in names}
    for block in iterate_numbers(query, dict.fromkeys(names, "i")):
        for name in names:
            blocks_by_column[name].append(block[name])
    columns = {}
    for name, column_blocks in blocks_by_column.items():
        columns[name] = np.concatenate(column_blocks)
        column_blocks.clear()
    for name in moments:
        columns[name] = np.where(columns[name] == INFINITY, NEVER, columns[name] + POSTGRES_EPOCH_MICROSECONDS)
    return columns


def iterate_numbers(
    query: sql.Composable,
    letters: Mapping[str, str],
    *,
    parameters: Mapping[str, Any] | Sequence[Any] | None = None,
    block_bytes: int = DECODE_BYTES,
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Yield the columns of a query by name, in blocks of about the given number of bytes; at least one block, which may be empty.

    letters: i for a bigint, f for a double precision, in the order of the query's columns.

    Raises:
        ValueError: a row has a null or another type.
    """
    row = _build_row_type(list(letters), list(letters.values()))
    lengths = {"fields": len(letters), **{f"{name}_length": 8 for name in letters}}
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    problem = ValueError(
        f"The query for {', '.join(letters)} returns a null or a column of another type; cast its columns."
    )

    def decode(pending: bytearray, start: int) -> dict[str, npt.NDArray[Any]]:
        # a view instead of a copy; the incomplete row at the end stays for the next block
        rows = np.frombuffer(pending, row, (len(pending) - start) // row.itemsize, start)
        if any((rows[field] != expected).any() for field, expected in lengths.items()):
            raise problem
        return {name: rows[name].astype(f"{letter}8") for name, letter in letters.items()}

    pending, start = bytearray(), len(HEADER)
    with connection.cursor() as cursor, cursor.copy(_bind(cursor, statement, parameters)) as copy:
        for block in copy:
            pending += block
            # Decoding a few large blocks is faster than decoding each of COPY's small ones, and memory stays bounded.
            if len(pending) > block_bytes:
                yield decode(pending, start)
                pending, start = pending[start + (len(pending) - start) // row.itemsize * row.itemsize :], 0
    yield decode(pending, start)
    if pending[start + (len(pending) - start) // row.itemsize * row.itemsize :] != TRAILER:
        raise problem


def _bind(cursor: Any, statement: sql.Composable, parameters: Mapping[str, Any] | Sequence[Any] | None) -> Any:
    """Return the statement with its parameters: Django's cursor of debugging takes none for COPY."""
    return statement if parameters is None else sql.SQL(cursor.mogrify(statement, parameters))


def write_numbers(table: str, columns: NumberColumns) -> None:
    """Append the columns to a table: integers as bigint, other numbers as double precision."""
    copy_blocks(table, list(columns), _encode_blocks(columns))


def _encode_blocks(columns: NumberColumns) -> Iterator[bytes]:
    row = _build_row_type(list(columns), [get_type_letter(values) for values in columns.values()])
    total = len(next(iter(columns.values())))
    for low in range(0, total, BLOCK_ROWS):
        rows = np.empty(min(BLOCK_ROWS, total - low), row)
        rows["fields"] = len(columns)
        for name, values in columns.items():
            rows[f"{name}_length"] = 8
            rows[name] = values[low : low + BLOCK_ROWS]
        yield rows.tobytes()


def copy_blocks(table: str, names: Sequence[str], blocks: Iterable[bytes]) -> None:
    """Append encoded rows without the header and trailer of COPY."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for block in blocks:
            copy.write(block)
        copy.write(TRAILER)


def get_type_letter(values: npt.NDArray[Any]) -> str:
    return "f" if values.dtype.kind == "f" else "i"
