"""The filter of lists by the key of a source."""

from typing import Any

import django_filters
from django.core.validators import EMPTY_VALUES
from django.db.models import QuerySet

from customers.events.models import Source


class SourceFilter(django_filters.CharFilter):
    """Filters by the key of a source. The key is looked up first, because PostgreSQL can use an index in the list's order only for a known ID."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value in EMPTY_VALUES:
            return qs
        source_id = Source.objects.filter(key=value).values_list("pk", flat=True).first()
        return qs.none() if source_id is None else qs.filter(source_id=source_id)
