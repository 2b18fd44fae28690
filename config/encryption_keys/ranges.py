"""Splits tables into ranges of primary keys, each of which is rotated or counted in one short transaction."""

from collections.abc import Iterator

from django.db import connection
from psycopg import sql

from config.foundation.keys.key_columns import get_model

ROWS_PER_PART = 10_000
MAX_PARTS = 2_000  # per table; a larger table has larger parts

type Range = tuple[int, int]


def list_ranges(model: str, *, rows_per_part: int = ROWS_PER_PART) -> Iterator[Range]:
    """Yield ranges (from, to before) that cover all rows of a model."""
    meta = get_model(model)._meta
    table, pk = meta.db_table, str(meta.pk.column)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT min({pk}), max({pk}) FROM {table}")
            .format(pk=sql.Identifier(pk), table=sql.Identifier(table))
            .as_string(None)
        )
        low, high = cursor.fetchone()
    if low is None:
        return
    span = high - low + 1
    parts = min(max(-(-min(span, estimate_rows(table)) // rows_per_part), 1), MAX_PARTS)
    step = -(-span // parts)
    for start in range(low, high + 1, step):
        yield start, start + step


def estimate_rows(table: str) -> int:
    """Return the approximate number of rows of a table and its partitions; a table without statistics counts as large."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(sum(GREATEST(c.reltuples, 0)), 0)::bigint, COALESCE(sum(pg_relation_size(c.oid)), 0)::bigint"
            " FROM pg_partition_tree(%s::regclass) p JOIN pg_class c ON c.oid = p.relid",
            [table],
        )
        rows, size = cursor.fetchone()
    return int(rows) or int(size) // 200
