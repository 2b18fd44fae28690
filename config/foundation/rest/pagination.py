"""Cursor pagination: a page starts after the last row of the previous page, even when rows were added meanwhile."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Never

from django.core.exceptions import FieldDoesNotExist
from django.core.exceptions import ValidationError as FieldError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
CURSOR_PATTERN = "^[A-Za-z0-9_-]*$"


class CursorPagination(BasePagination):
    """Orders by the view's ``ordering``: one or more columns without nulls that are unique together.

    The response is ``{"results": […], "next_cursor": "…", "next": "https://…"}``; the last two are null on the last page.
    """

    ordering: str | Sequence[str] = "id"

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None) -> list[Any]:  # type: ignore[override]
        ordering = getattr(view, "ordering", None) or self.ordering
        columns = (ordering,) if isinstance(ordering, str) else tuple(ordering)
        limit = read_limit(request.query_params.get("limit"))
        if cursor := request.query_params.get("cursor"):
            queryset = queryset.filter(build_after_condition(columns, decode_cursor(cursor, columns, queryset)))
        rows = list(queryset.order_by(*columns)[: limit + 1])
        page = rows[:limit]
        self.next_cursor = encode_cursor(page[-1], columns) if len(rows) > limit else None
        self.next_link = (
            replace_query_param(request.build_absolute_uri(), "cursor", self.next_cursor) if self.next_cursor else None
        )
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next_cursor": self.next_cursor, "next": self.next_link})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next_cursor", "next"],
            "properties": {
                "results": schema,
                "next_cursor": {
                    "type": "string",
                    "nullable": True,
                    "description": "The value of `cursor` for the next page; null on the last page.",
                },
                "next": {
                    "type": "string",
                    "format": "uri",
                    "nullable": True,
                    "description": "The URL of the next page; null on the last page.",
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "The `next_cursor` of the previous page; empty for the first page.",
                "schema": {"type": "string", "pattern": CURSOR_PATTERN},
            },
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": "Number of rows per page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            },
        ]


def read_limit(raw: str | None) -> int:
    if not raw:
        return DEFAULT_LIMIT
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 6 and 1 <= int(raw) <= MAX_LIMIT):
        message = _("%(value)s is not a whole number from 1 to %(most)d.") % {
            "value": repr(raw[:50]),
            "most": MAX_LIMIT,
        }
        raise ValidationError({"limit": message})
    return int(raw)


def build_after_condition(columns: Sequence[str], values: Sequence[Any]) -> Q:
    """Return the condition for the rows after ``values``: (a, b) > (x, y), in each column's direction."""
    condition = Q()
    for column, value in reversed(list(zip(columns, values, strict=True))):
        name, comparison = column.removeprefix("-"), "lt" if column.startswith("-") else "gt"
        is_after = Q(**{f"{name}__{comparison}": value})
        # redundant, but it lets PostgreSQL use an index on the first column
        condition = Q(**{f"{name}__{comparison}e": value}) & (is_after | condition) if condition else is_after
    return condition


def encode_cursor(row: Any, columns: Sequence[str]) -> str:
    values = [get_row_value(row, column.removeprefix("-")) for column in columns]
    texts = [value.isoformat() if hasattr(value, "isoformat") else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, columns: Sequence[str], queryset: QuerySet) -> list[Any]:
    try:
        texts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if len(texts) != len(columns) or not all(isinstance(text, str) and "\0" not in text for text in texts):
            reject_cursor()
        fields = [get_ordering_field(queryset, column.removeprefix("-")) for column in columns]
        return [field.to_python(text) for field, text in zip(fields, texts, strict=True)]
    except (binascii.Error, ValueError, TypeError, RecursionError, FieldError):
        reject_cursor()


def reject_cursor() -> Never:
    raise ValidationError({"cursor": _("Invalid cursor for this list; use the next_cursor of the previous page.")})


def get_ordering_field(queryset: QuerySet, name: str) -> Field:
    try:
        return queryset.model._meta.get_field(name)
    except FieldDoesNotExist:
        return queryset.query.annotations[name].output_field


def get_row_value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name) if isinstance(row, Model) else row[name]
