"""Temporary tables of a refresh; they end with the transaction, and one of the same name is replaced."""

from collections.abc import Sequence

from django.db import connection
from psycopg import sql

from customers.lifecycle.binary_copy import Numbers, kind_of, write_numbers


def make_temporary(table: str, query: sql.Composable) -> None:
    """The rows of a query."""
    _create(table, sql.SQL("ON COMMIT DROP AS {}").format(query))
    _analyze(table)


TYPES = {"i": sql.SQL("bigint"), "f": sql.SQL("double precision")}


def fill_temporary(table: str, columns: Numbers) -> None:
    """The columns: bigints of whole numbers, double precision of others."""
    names: Sequence[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(name), TYPES[kind_of(values)]) for name, values in columns.items()
    ]
    _create(table, sql.SQL("({}) ON COMMIT DROP").format(sql.SQL(", ").join(names)))
    write_numbers(table, columns)
    _analyze(table)


def _create(table: str, definition: sql.Composable) -> None:
    name = sql.Identifier(table)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{}").format(name))
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} {}").format(name, definition))


def _analyze(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE pg_temp.{}").format(sql.Identifier(table)))
