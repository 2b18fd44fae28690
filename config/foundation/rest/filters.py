"""Filters of list endpoints that reject invalid values, which django-filter's own filters ignore or pass on."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MAX_PRICE = 10**12
FLAG_CHOICES = (("true", "true"), ("false", "false"))


class UtcField(IsoDateTimeField):
    """A time in UTC, because PostgreSQL rejects offsets of 16 hours or more; years outside 1–9999 are clipped."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("Not a valid time; use ISO 8601, such as 2026-05-17T09:30:00Z.")
    }

    def clean(self, value: Any) -> datetime | None:
        time: datetime | None = super().clean(value)
        if time is None:
            return None
        try:
            return time.astimezone(UTC)
        except OverflowError:
            return FIRST if time.year == FIRST.year else LAST


class MomentFilter(django_filters.IsoDateTimeFilter):
    """Filters by an ISO 8601 time."""

    field_class = UtcField


@extend_schema_field(OpenApiTypes.BOOL)
class FlagFilter(django_filters.TypedChoiceFilter):
    """Filters by true or false and rejects other values, which django-filter's own filter ignores."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=FLAG_CHOICES, coerce=lambda text: text == "true", **kwargs)


@extend_schema_field({"type": "number", "maximum": MAX_PRICE})
class PriceFilter(django_filters.NumberFilter):
    """Filters by an amount of at most ``MAX_PRICE``."""

    def get_max_validator(self) -> MaxValueValidator:
        return MaxValueValidator(MAX_PRICE)


class WholeNumberFilter(django_filters.NumberFilter):
    """Filters by a whole number."""

    field_class = forms.IntegerField


class RangeFilterSet(django_filters.FilterSet):
    """Rejects reversed ranges, which would give an empty list. ranges: pairs of the parameters of a minimum and a maximum."""

    ranges: ClassVar[tuple[tuple[str, str], ...]] = ()

    def is_valid(self) -> bool:
        if not super().is_valid():
            return False
        values = self.form.cleaned_data
        for low_name, high_name in self.ranges:
            low, high = values[low_name], values[high_name]
            if low is not None and high is not None and low > high:
                self.form.add_error(low_name, describe_reversed_range(low, high_name, high))
        return not self.form.errors


def describe_reversed_range(low: Any, high_name: str, high: Any) -> str:
    """Return the message for a minimum, a number or a time, that is above the maximum."""
    if isinstance(low, datetime):
        texts = {"low": format_moment(low), "name": high_name, "high": format_moment(high)}
        return gettext("%(low)s is later than %(name)s %(high)s.") % texts
    return gettext("%(low)s is greater than %(name)s %(high)s.") % {"low": low, "name": high_name, "high": high}


def format_moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
