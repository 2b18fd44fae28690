"""Events over REST, newest first."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.generics import ListAPIView

from config.foundation.rest.filters import FIRST, MomentFilter, RangeFilterSet
from customers.events.models import Event
from customers.events.rest.serializers import EventSerializer
from customers.events.rest.source_filter import SourceFilter

DEFAULT_PERIOD = timedelta(days=7)
SINCE_HELP = (
    "Events received at this time or later. With source, type or name, and without user_id or anonymous_id, the default is the start of the day "
    "(UTC) seven days before until, or before now."
)


class EventFilter(RangeFilterSet):
    ranges = (("since", "until"),)

    source = SourceFilter(help_text="The key of a source.")
    since = MomentFilter("received_at", "gte", help_text=SINCE_HELP)
    until = MomentFilter("received_at", "lt", help_text="Events received before this time.")

    class Meta:
        model = Event
        fields = ["source", "type", "name", "user_id", "anonymous_id", "since", "until"]

    def filter_queryset(self, queryset: QuerySet[Event]) -> QuerySet[Event]:
        queryset = super().filter_queryset(queryset)
        values = self.form.cleaned_data
        if values["since"] or values["user_id"] or values["anonymous_id"]:
            return queryset
        if not (values["source"] or values["type"] or values["name"]):
            return queryset
        # no index has these fields: without a limit, the search for rare events would read all partitions
        return queryset.filter(received_at__gte=find_default_since(values["until"], now=timezone.now()))


def find_default_since(until: datetime | None, *, now: datetime) -> datetime:
    """Return the start of a day, which stays the same while a client reads the pages of a list."""
    end = min(until or now, now).astimezone(UTC)
    return (max(end, FIRST + DEFAULT_PERIOD) - DEFAULT_PERIOD).replace(hour=0, minute=0, second=0, microsecond=0)


class EventList(ListAPIView):
    """List the stored events, the most recently received first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "events:read"}
    queryset = Event.objects.select_related("source")
    serializer_class = EventSerializer
    filterset_class = EventFilter
    ordering = "-id"
