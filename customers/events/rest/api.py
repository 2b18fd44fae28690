"""Events over REST, newest first."""

from typing import ClassVar

import django_filters
from rest_framework.generics import ListAPIView

from config.foundation.rest.filters import MomentFilter, RangeFilterSet
from customers.events.models import Event
from customers.events.rest.serializers import EventSerializer


class EventFilter(RangeFilterSet):
    ranges = (("since", "until"),)

    source = django_filters.CharFilter("source__key", help_text="The key of a source.")
    since = MomentFilter("received_at", "gte", help_text="Events received at this time or later.")
    until = MomentFilter("received_at", "lt", help_text="Events received before this time.")

    class Meta:
        model = Event
        fields = ["source", "type", "name", "user_id", "anonymous_id", "since", "until"]


class EventList(ListAPIView):
    """List the stored events, the most recently received first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "events:read"}
    queryset = Event.objects.select_related("source")
    serializer_class = EventSerializer
    filterset_class = EventFilter
    ordering = "-id"
