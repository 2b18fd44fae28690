"""Reject parameters and fields that an endpoint does not have, because a misspelled filter would return other rows."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.foundation.rest.pagination import read_limit
from config.foundation.text_encoding import make_encodable

PAGINATION_PARAMETERS = ("cursor", "limit")
MAX_NAME_LENGTH = 200  # of an unknown name in a response
MAX_VALUE_LENGTH = 2_000  # of a filter; no column that a filter compares is longer


def find_unknown_names(names: Iterable[str], valid: Iterable[str]) -> dict[str, list[ErrorDetail]]:
    """Return an error for each name that is not valid."""
    known = set(valid)
    message = (
        _("Unknown name; valid: %(names)s.") % {"names": ", ".join(sorted(known))} if known else _("Unknown name.")
    )
    return {
        make_encodable(name)[:MAX_NAME_LENGTH]: [ErrorDetail(message, "unknown_name")]
        for name in names
        if name not in known
    }


def find_long_values(params: QueryDict) -> dict[str, list[ErrorDetail]]:
    """Return an error for each parameter that is too long, because a search for a long text is slow."""
    return {
        make_encodable(name)[:MAX_NAME_LENGTH]: [
            ErrorDetail(
                _("Too long: %(length)d characters; the maximum is %(most)d.")
                % {"length": len(value), "most": MAX_VALUE_LENGTH},
                "too_long",
            )
        ]
        for name, values in params.lists()
        for value in values
        if len(value) > MAX_VALUE_LENGTH
    }


def find_repeated_names(params: Any, lists: Collection[str] = ()) -> dict[str, list[ErrorDetail]]:
    """Return an error for each parameter of a URL that is given several times and is not a list: only one of its values would count."""
    if not isinstance(params, QueryDict):
        return {}
    message = _("Give this parameter once; only lists can be repeated.")
    return {
        make_encodable(name)[:MAX_NAME_LENGTH]: [ErrorDetail(message, "repeated")]
        for name, values in params.lists()
        if len(values) > 1 and name not in lists
    }


def describe_choices(values: Iterable[object]) -> str:
    """Return the error of a value that is none of these."""
    return _("Unknown value; valid: %(names)s.") % {"names": ", ".join(map(str, values))}


class HasKnownParameters(BasePermission):
    """Rejects query parameters of endpoints that read none, and fields in the body of endpoints that read no body.

    A permission, because REST framework checks it for every method before it calls the view. Lists and views with
    ``checks_parameters`` check the parameters of GET requests themselves. ``query_parameters`` are those of other views, and
    ``methods_without_body`` are methods besides DELETE that read no body.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        method = "GET" if request.method == "HEAD" else request.method or ""
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True
        checks_itself = getattr(view, "checks_parameters", False) or (
            isinstance(view, ListModelMixin) and StrictFilterBackend in view.filter_backends  # type: ignore[attr-defined]
        )
        unknown = {}
        if method != "GET" or not checks_itself:
            valid = getattr(view, "query_parameters", ()) if method == "GET" else ()
            unknown = find_unknown_names(request.query_params, valid) | find_long_values(request.query_params)
            unknown |= find_repeated_names(request.query_params)
        if method in ("DELETE", *getattr(view, "methods_without_body", ())) and request.META.get(
            "CONTENT_LENGTH"
        ) not in (
            None,
            "",
            "0",
        ):
            unknown |= find_unknown_names(request.data if isinstance(request.data, Mapping) else (), ())
        if unknown:
            raise ValidationError(unknown)
        return True


class StrictFilterBackend(DjangoFilterBackend):
    """Filters lists, and rejects query parameters that are not filters of the list; an error names the choices of a filter."""

    def get_filterset(self, request: Request, queryset: QuerySet, view: Any) -> Any:
        filterset = super().get_filterset(request, queryset, view)
        for field in filterset.form.fields.values() if filterset is not None else ():
            if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
                choices: Any = field.choices  # for reading, always a list of pairs
                valid = [value for value, _label in choices if value != ""]
                field.error_messages["invalid_choice"] = describe_choices(valid)
        return filterset

    def filter_queryset(self, request: Request, queryset: QuerySet, view: Any) -> QuerySet:
        filterset_class = self.get_filterset_class(view, queryset)
        filters = filterset_class.base_filters if filterset_class is not None else ()
        pagination = PAGINATION_PARAMETERS if getattr(view, "paginator", None) is not None else ()
        errors: dict[str, Any] = find_unknown_names(request.query_params, (*filters, *pagination))
        errors |= find_long_values(request.query_params) | find_repeated_names(request.query_params)
        filtered = queryset
        try:
            filtered = super().filter_queryset(request, queryset, view)
        except ValidationError as error:
            errors = merge_errors(error, errors)
        try:
            read_limit(request.query_params.get("limit") if pagination else None)
        except ValidationError as error:
            errors = merge_errors(error, errors)
        if errors:
            raise ValidationError(errors)
        return filtered


def merge_errors(error: ValidationError, others: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error's messages by field together with others. Raises the error itself if it names no fields."""
    if not isinstance(error.detail, dict):
        raise error
    return {**error.detail, **others}


class NamedChoicesMixin(serializers.Serializer):
    # names the choices of a field in its error; no docstring: the OpenAPI document would show it as the description of each serializer

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        for field in fields.values():
            choice = field.child if isinstance(field, serializers.ListField) else field
            if isinstance(choice, serializers.ChoiceField):
                choice.error_messages["invalid_choice"] = describe_choices(choice.choices)
        return fields


class KnownFieldsMixin(NamedChoicesMixin):
    # no docstring: the OpenAPI document would show it as the description of each serializer

    def to_internal_value(self, data: Any) -> Any:
        unknown = find_unknown_fields(data, self.fields) if isinstance(data, Mapping) else {}
        lists = [name for name, field in self.fields.items() if getattr(field, "is_list", False)]
        unknown |= find_repeated_names(data, lists)
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
    """Return an error for each name in a body or query that is not a field, or is a field that cannot be set."""
    return find_unknown_names(data, [name for name, field in fields.items() if not field.read_only])
