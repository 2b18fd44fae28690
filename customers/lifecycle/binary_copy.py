"""Numbers between PostgreSQL and NumPy by binary COPY: millions of rows without a Python object for each.

Every column is a bigint or a double precision that is never null; moments travel as microseconds since 1970, codes stand for texts.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from psycopg import sql

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
BLOCK = 100_000

type Columns = dict[str, npt.NDArray[np.int64]]
type Numbers = Mapping[str, npt.NDArray[np.int64] | npt.NDArray[np.float64]]


def _row_type(names: Sequence[str], kinds: Sequence[str] = ()) -> np.dtype[Any]:
    """A row as COPY writes it: how many fields, then each field's length and value. kinds: i for a bigint, f for a double."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in zip(names, kinds or "i" * len(names), strict=True):
        fields += [(f"{name}_length", ">i4"), (name, f">{kind}8")]
    return np.dtype(fields)


def read_integers(query: sql.Composable, names: Sequence[str]) -> Columns:
    """The rows of a query whose columns are bigints, by name. Errors: ValueError when a row holds a null or another type."""
    buffer = io.BytesIO()
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            buffer.write(block)
    row = _row_type(names)
    content = memoryview(buffer.getbuffer())[len(HEADER) : -len(TRAILER)]
    if len(content) % row.itemsize:
        raise ValueError(f"The query for {', '.join(names)} yields a null or a column that is not a bigint.")
    rows = np.frombuffer(content, row)
    return {name: rows[name].astype(np.int64) for name in names}


def write_numbers(table: str, columns: Numbers) -> None:
    """Appends the columns to a table that has whole numbers as bigints and others as double precision."""
    row = _row_type(list(columns), [kind_of(values) for values in columns.values()])
    total = len(next(iter(columns.values())))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for low in range(0, total, BLOCK):
            rows = np.empty(min(BLOCK, total - low), row)
            rows["fields"] = len(columns)
            for name, values in columns.items():
                rows[f"{name}_length"] = 8
                rows[name] = values[low : low + BLOCK]
            copy.write(rows.tobytes())
        copy.write(TRAILER)


def kind_of(values: npt.NDArray[Any]) -> str:
    return "f" if values.dtype.kind == "f" else "i"
