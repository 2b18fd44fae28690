"""Copies rows between Arrow and PostgreSQL."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from django.db.backends.utils import CursorWrapper

from customers.orders.imports.arrow_arrays import build_integer_array

WITHOUT_HEADER = pacsv.WriteOptions(include_header=False)


def copy_batches(
    cursor: CursorWrapper,
    table: str,
    columns: Sequence[str],
    batches: Iterable[pa.RecordBatch],
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write batches to a table by COPY and return the number of rows.

    The batches must have these columns in this order.
    """
    written = 0
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy:
        # the next batch is encoded while the current one is sent
        for rows, data in prefetch(encode_csv(batch) for batch in batches):
            copy.write(data)
            written += rows
            progress(written)
    return written


def fetch_integers(cursor: CursorWrapper, query: str, schema: pa.Schema, parameters: Sequence[Any] = ()) -> pa.Table:
    """Return the rows of a query of whole numbers, fetched column by column.

    Fetching a hundred thousand rows one by one takes ten times as long.
    """
    columns = ", ".join(f"coalesce(array_agg({name}), '{{}}')" for name in schema.names)
    cursor.execute(f"SELECT {columns} FROM ({query}) AS result", parameters)  # noqa: S608 — names and queries are ours
    return pa.table([build_integer_array(values) for values in cursor.fetchone()], schema=schema)


def encode_csv(batch: pa.RecordBatch) -> tuple[int, bytes]:
    """Return the number of rows of a batch, and the batch as CSV."""
    buffer = io.BytesIO()
    pacsv.write_csv(batch, buffer, WITHOUT_HEADER)
    return batch.num_rows, buffer.getvalue()


def prefetch[T](items: Iterator[T]) -> Iterator[T]:
    """Yield the same items; each is produced in another thread while the previous one is used."""
    end = object()  # no item can be equal to it, not even None
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(next, items, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
