"""Recognizes errors of statements on tables that the migrations have not created yet."""

import psycopg


def is_table_missing(error: Exception) -> bool:
    """Return whether a statement failed because a table or a column does not exist. error: of Django or of psycopg."""
    return isinstance(error.__cause__ or error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)
