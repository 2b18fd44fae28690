"""Parameters of lists that take what they should and refuse the rest, where django-filter's own look away or pass on too much."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.validators import MaxValueValidator
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MAX_PRICE = 10**12
FLAGS = (("true", "true"), ("false", "false"))


class UtcField(IsoDateTimeField):
    """PostgreSQL takes no offset of 16 hours or more; a moment outside the calendar is its first or last one."""

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is None:
            return None
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            return FIRST if moment.year == FIRST.year else LAST


class MomentFilter(django_filters.IsoDateTimeFilter):
    """An ISO 8601 time."""

    field_class = UtcField


@extend_schema_field(OpenApiTypes.BOOL)
class FlagFilter(django_filters.TypedChoiceFilter):
    """True or false; django-filter's own takes anything else for neither, and then filters nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=FLAGS, coerce=lambda word: word == "true", **kwargs)


@extend_schema_field({"type": "number", "maximum": MAX_PRICE})
class PriceFilter(django_filters.NumberFilter):
    """An amount, no larger than a price can be."""

    def get_max_validator(self) -> MaxValueValidator:
        return MaxValueValidator(MAX_PRICE)


class WholeNumberFilter(django_filters.NumberFilter):
    """A whole number."""

    field_class = forms.IntegerField
