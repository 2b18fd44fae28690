"""Numbers between PostgreSQL and NumPy by binary COPY: millions of rows without a Python object for each.

Every column is a bigint or a double precision that is never null; moments travel as microseconds since 1970, codes stand for texts. A
query may yield a timestamptz too, which is eight bytes as well.
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
DECODE_BYTES = 1 << 25  # bytes
INFINITY = np.iinfo(np.int64).max
POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000

type IntegerColumns = dict[str, npt.NDArray[np.int64]]
type NumberColumns = Mapping[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]


def _row_type(names: Sequence[str], kinds: Sequence[str] = ()) -> np.dtype[Any]:
    """A row as COPY writes it: how many fields, then each field's length and value. kinds: i for a bigint, f for a double."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in zip(names, kinds or "i" * len(names), strict=True):
        fields += [(f"{name}_length", ">i4"), (name, f">{kind}8")]
    return np.dtype(fields)


def read_integers(query: sql.Composable, names: Sequence[str], *, moments: Sequence[str] = ()) -> IntegerColumns:
    """The rows of a query whose columns are bigints, by name; those named in ``moments`` are timestamptz, 'infinity' is ``NEVER``.

    Errors: ValueError when a row holds a null or another type.
    """
    row = _row_type(names)
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    parts: list[list[npt.NDArray[np.int64]]] = [[] for _name in names]
    waiting = bytearray()
    start = len(HEADER)

    def decode() -> None:
        rows = np.frombuffer(waiting, row, (len(waiting) - start) // row.itemsize, start)
        if any((rows[field] != expected).any() for field, expected in lengths.items()):
            raise ValueError(f"The query for {', '.join(names)} yields a null or a column that is not a bigint.")
        for name, part in zip(names, parts, strict=True):
            part.append(rows[name].astype(np.int64))

    lengths = {"fields": len(names), **{f"{name}_length": 8 for name in names}}
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            waiting += block
            if len(waiting) > DECODE_BYTES:
                decode()
                waiting, start = waiting[start + (len(waiting) - start) // row.itemsize * row.itemsize :], 0
    decode()
    if waiting[start + (len(waiting) - start) // row.itemsize * row.itemsize :] != TRAILER:
        raise ValueError(f"The query for {', '.join(names)} yields a null or a column that is not a bigint.")
    columns = {}
    for name, part in zip(names, parts, strict=True):
        columns[name] = np.concatenate(part)
        part.clear()
    for name in moments:
        columns[name] = np.where(columns[name] == INFINITY, NEVER, columns[name] + POSTGRES_EPOCH_MICROSECONDS)
    return columns


def write_numbers(table: str, columns: NumberColumns) -> None:
    """Appends the columns to a table that has whole numbers as bigints and others as double precision."""
    copy_blocks(table, list(columns), _encoded(columns))


def _encoded(columns: NumberColumns) -> Iterator[bytes]:
    row = _row_type(list(columns), [get_type_letter(values) for values in columns.values()])
    total = len(next(iter(columns.values())))
    for low in range(0, total, BLOCK_ROWS):
        rows = np.empty(min(BLOCK_ROWS, total - low), row)
        rows["fields"] = len(columns)
        for name, values in columns.items():
            rows[f"{name}_length"] = 8
            rows[name] = values[low : low + BLOCK_ROWS]
        yield rows.tobytes()


def copy_blocks(table: str, names: Sequence[str], blocks: Iterable[bytes]) -> None:
    """Appends rows that are encoded already, without header and trailer."""
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
