"""Reads the rows of warehouse tables from PostgreSQL as Arrow, and splits them by day."""

import base64
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from django.db import connection
from psycopg import sql

from customers.warehouse.tables import SEPARATOR, WarehouseTable


def copy_rows(table: WarehouseTable, condition: sql.Composed) -> pa.Table:
    """Return the rows of a table's query as Arrow.

    They are copied as CSV, which both sides implement in C.
    """
    query = sql.SQL("COPY (SELECT * FROM ({query}) r{condition}) TO STDOUT (FORMAT csv)").format(
        query=sql.SQL(table.query), condition=condition
    )
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            buffer.write(block)
    names = table.schema.names
    if not buffer.tell():
        return table.schema.empty_table()
    buffer.seek(0)
    rows = pa_csv.read_csv(
        buffer,
        read_options=pa_csv.ReadOptions(column_names=names, block_size=8 << 20),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types={field.name: _get_csv_type(field.type) for field in table.schema},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # COPY writes NULL without and an empty text with quotation marks
        ),
    )
    columns = [_convert_lists(rows[field.name], field.type) for field in table.schema]
    return pa.table(columns, schema=table.schema)


def copy_pages(table: WarehouseTable, *, rows: int) -> Iterator[pa.Table]:
    """Yield a whole table in pages of at most ``rows`` rows, sorted by its key."""
    after, rows = -1, min(table.page_rows, rows)
    while True:
        key = sql.Identifier(table.key)
        page = copy_rows(
            table,
            sql.SQL(" WHERE {key} > {after} ORDER BY {key} LIMIT {limit}").format(
                key=key, after=sql.Literal(after), limit=sql.Literal(rows)
            ),
        )
        if page.num_rows:
            yield page
        if page.num_rows < rows:
            return
        after = page[table.key][-1].as_py()


def _get_csv_type(data_type: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_list(data_type) else data_type


def _convert_lists(column: pa.ChunkedArray, data_type: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if not pa.types.is_list(data_type):
        return column
    return _split_texts(column) if data_type.value_type == pa.string() else _decode_numbers(column, data_type)


def _decode_numbers(column: pa.ChunkedArray, data_type: pa.DataType) -> pa.Array:
    packed = [base64.b64decode(text) for text in column.to_pylist()]
    numbers = np.frombuffer(b"".join(packed), data_type.value_type.to_pandas_dtype())
    ends = np.cumsum([0, *(len(item) for item in packed)]) // numbers.itemsize
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(numbers))


def _split_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(
        pc.is_null(column), pa.scalar([], pa.list_(pa.string())), pc.split_pattern(pc.fill_null(column, ""), SEPARATOR)
    )


def split_days(table: WarehouseTable, rows: pa.Table, days: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of each day; the rows must be sorted by day."""
    assert table.moment is not None
    row_days = rows[table.moment].cast(pa.timestamp("us")).cast(pa.date32(), safe=False).to_numpy()
    starts = np.searchsorted(row_days, np.array(days, dtype="datetime64[D]"))
    for low, high in pairwise([*starts.tolist(), rows.num_rows]):
        yield rows.slice(low, high - low)
