"""Temporary tables that last until the transaction ends; a table of the same name is replaced."""

from collections.abc import Iterable, Mapping
from typing import LiteralString

from django.db import connection
from psycopg import sql

from config.foundation.array_types import NEVER
from config.foundation.database.binary_copy import NumberColumns, copy_blocks, get_type_letter, write_numbers


def create_temporary_table(table: str, query: sql.Composable) -> None:
    """Create a temporary table with the rows of a query."""
    _create(table, sql.SQL("ON COMMIT DROP AS {}").format(query))
    _analyze(table)


COLUMN_TYPES = {"i": "bigint", "f": "double precision"}


def load_temporary_table(table: str, columns: NumberColumns) -> None:
    """Create a temporary table with these columns: bigint for integers, double precision for other numbers."""
    _create_columns(table, {name: COLUMN_TYPES[get_type_letter(values)] for name, values in columns.items()})
    write_numbers(table, columns)
    _analyze(table)


def load_temporary_blocks(table: str, types: Mapping[str, LiteralString], blocks: Iterable[bytes]) -> None:
    """Create a temporary table with columns of these types and the encoded rows of `copy_blocks`."""
    _create_columns(table, types)
    copy_blocks(table, list(types), blocks)
    _analyze(table)


def build_timestamp_expression(column: str) -> sql.Composable:
    """Return SQL that turns microseconds into timestamptz, with null for ``NEVER``; exact up to the year 2255."""
    return sql.SQL(
        "CASE WHEN {column} < {never} THEN 'epoch'::timestamptz + {column} * interval '1 microsecond' END"
    ).format(column=sql.Identifier(*column.split(".")), never=sql.Literal(NEVER))


def _create_columns(table: str, types: Mapping[str, LiteralString]) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(column_type)) for name, column_type in types.items()
    ]
    _create(table, sql.SQL("({}) ON COMMIT DROP").format(sql.SQL(", ").join(columns)))


def _create(table: str, definition: sql.Composable) -> None:
    name = sql.Identifier(table)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(name))
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} {}").format(name, definition))


def _analyze(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE pg_temp.{}").format(sql.Identifier(table)))
