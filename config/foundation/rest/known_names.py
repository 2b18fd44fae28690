"""Reject parameters and fields that an endpoint does not have, because a misspelled filter would return other rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

PAGINATION_PARAMETERS = ("cursor", "limit")


def find_unknown_names(names: Iterable[str], valid: Iterable[str]) -> dict[str, list[ErrorDetail]]:
    """Return an error for each name that is not valid."""
    known = set(valid)
    message = _("Unknown name; valid: %(names)s.") % {"names": ", ".join(sorted(known))}
    return {make_encodable(name): [ErrorDetail(message, "unknown_name")] for name in names if name not in known}


def make_encodable(name: Any) -> str:
    """Return a name that can be encoded as UTF-8; JSON may contain halves of characters, which cannot."""
    return str(name).encode(errors="backslashreplace").decode()


class StrictFilterBackend(DjangoFilterBackend):
    """Filters lists, and rejects query parameters that are no filter of the list."""

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        filterset_class = self.get_filterset_class(view, queryset)
        filters = filterset_class.base_filters if filterset_class is not None else ()
        pagination = PAGINATION_PARAMETERS if getattr(view, "paginator", None) is not None else ()
        if unknown := find_unknown_names(request.query_params, (*filters, *pagination)):
            raise ValidationError(unknown)
        filtered: QuerySet = super().filter_queryset(request, queryset, view)
        return filtered


class KnownFieldsMixin(serializers.Serializer):
    # no docstring: the OpenAPI document would show it as the description of each serializer

    def to_internal_value(self, data: Any) -> Any:
        unknown = find_unknown_fields(data, self.fields) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **unknown}) from error
            raise
        if unknown:
            raise ValidationError(unknown)
        return value


def find_unknown_fields(data: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
    """Return an error for each name in a body or query that is no field, or a field that cannot be set."""
    return find_unknown_names(data, [name for name, field in fields.items() if not field.read_only])
