"""Addresses of this room: the REST API (under ``/api/v1/``) and the collector (under ``/v1/``)."""

from django.urls import path

from customers.events.api import EventList
from customers.events.collector import Collector

urlpatterns = [
    path("events/", EventList.as_view(), name="event-list"),
]

collector_urlpatterns = [
    path("batch", Collector.as_view(), name="collect-batch"),
    *(
        path(call_type, Collector.as_view(call_type=call_type), name=f"collect-{call_type}")
        for call_type in ("track", "identify", "page", "screen", "group", "alias")
    ),
]
