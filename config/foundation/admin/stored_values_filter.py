"""A filter for lists with more rows than a page may read: its choices come from an index."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Field, Model
from django.http import HttpRequest
from psycopg import sql

# The next larger value is one look-up in the index, so the time depends on the number of values, not of rows.
SELECT_VALUES = sql.SQL("""
WITH RECURSIVE stored (value) AS (
    (SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM {table} WHERE {column} > stored.value ORDER BY {column} LIMIT 1)
    FROM stored WHERE stored.value IS NOT NULL
)
SELECT value FROM stored WHERE value IS NOT NULL LIMIT %s
""")
MAX_VALUES = 300


def list_stored_values(model: type[Model], field: "Field[Any, Any]") -> list[Any]:
    """Return the values of an indexed column in order, without null, at most `MAX_VALUES`."""
    names = {"table": sql.Identifier(model._meta.db_table), "column": sql.Identifier(str(field.column))}
    with connection.cursor() as cursor:
        cursor.execute(SELECT_VALUES.format(**names), [MAX_VALUES])
        return [value for (value,) in cursor.fetchall()]


class StoredValuesFilter(admin.AllValuesFieldListFilter):
    """Offers the values of a column that has an index."""

    def __init__(
        self,
        field: "Field[Any, Any]",
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        self.lookup_choices = list_stored_values(model, field)  # type: ignore[assignment]  # instead of a query of all rows
