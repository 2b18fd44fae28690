"""A filter of lists by a period, in the reader's time zone."""

from datetime import date, datetime, time
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import make_aware
from unfold.contrib.filters.admin import RangeDateTimeFilter


class PeriodFilter(RangeDateTimeFilter):
    """Unfold's filter with moments instead of naive times; a date without a time includes the whole day."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        begin, end = self._read_moment("from", time.min), self._read_moment("to", time.max)
        if begin is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": begin})
        return queryset if end is None else queryset.filter(**{f"{self.parameter_name}__lte": end})

    def _read_moment(self, end: str, default: time) -> datetime | None:
        """Return a moment of the form; None if it is empty or invalid."""
        day, clock = (self._read_text(f"{self.parameter_name}_{end}_{part}") for part in (0, 1))
        try:
            moment = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock) if clock else default)
            return make_aware(moment.replace(tzinfo=None))
        except (ValueError, OverflowError):
            return None

    def _read_text(self, name: str) -> str:
        value: Any = self.used_parameters.get(name) or ""
        return str(value)
