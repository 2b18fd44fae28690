"""Rows between Arrow and PostgreSQL, by COPY."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from django.db.backends.utils import CursorWrapper

from customers.orders.imports.arrow_arrays import integers

WITHOUT_HEADER = pacsv.WriteOptions(include_header=False)


def copy_in(
    cursor: CursorWrapper,
    table: str,
    columns: Sequence[str],
    batches: Iterable[pa.RecordBatch],
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Sends batches whose columns are in this order; the next one is prepared while one is on its way. Returns the rows."""
    done = 0
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy:
        for rows, data in ahead(encode(batch) for batch in batches):
            copy.write(data)
            done += rows
            progress(done)
    return done


def fetch(cursor: CursorWrapper, query: str, schema: pa.Schema, parameters: Sequence[Any] = ()) -> pa.Table:
    """The rows of a query of whole numbers, a column at a time: a hundred thousand rows one by one take ten times as long."""
    columns = ", ".join(f"coalesce(array_agg({name}), '{{}}')" for name in schema.names)
    cursor.execute(f"SELECT {columns} FROM ({query}) AS found", parameters)  # noqa: S608 — names and queries are ours
    return pa.table([integers(values) for values in cursor.fetchone()], schema=schema)


def encode(batch: pa.RecordBatch) -> tuple[int, bytes]:
    buffer = io.BytesIO()
    pacsv.write_csv(batch, buffer, WITHOUT_HEADER)
    return batch.num_rows, buffer.getvalue()


def ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The same items, each made in another thread while the one before is used."""
    end = object()
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(next, items, end)
        while (item := waiting.result()) is not end:
            waiting = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
