"""Rows between Arrow and PostgreSQL, by COPY."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.csv as pacsv
from django.db.backends.utils import CursorWrapper

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


def copy_out(cursor: CursorWrapper, query: str, schema: pa.Schema) -> pa.Table:
    buffer = io.BytesIO()
    with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
        for data in copy:
            buffer.write(data)
    if not buffer.tell():
        return schema.empty_table()
    buffer.seek(0)
    return pacsv.read_csv(
        buffer,
        read_options=pacsv.ReadOptions(column_names=schema.names),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


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
