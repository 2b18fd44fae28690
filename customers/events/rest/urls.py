"""Addresses of this room: the REST API (under ``/api/v1/``) and the collector's (at the root), with or without a last slash."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path, re_path

from customers.events.collector.ga4 import GoogleCollector
from customers.events.collector.ingest import Record
from customers.events.collector.views import Collector
from customers.events.rest.api import EventList
from customers.events.sources.sdk_settings import RudderSettings, SegmentSettings

CALL_TYPES = ("track", "identify", "page", "screen", "group", "alias")

urlpatterns = [
    path("events/", EventList.as_view(), name="event-list"),
]


def collector_views(**how: Record) -> dict[str, Callable[..., HttpResponseBase]]:
    """The addresses to which events are posted, each with its view; ``record`` says how they store."""
    batch = Collector.as_view(**how)
    views = dict.fromkeys(("v1/batch", "v1/b", "v1/import", "beacon/v1/batch"), batch)
    for call_type in CALL_TYPES:
        single = Collector.as_view(call_type=call_type, **how)
        # the browser SDK's short forms are first letters; Jitsu's stand under /api/s/
        views |= dict.fromkeys((f"v1/{call_type}", f"v1/{call_type[0]}", f"api/s/{call_type}"), single)
    views["mp/collect"] = GoogleCollector.as_view(**how)
    return views


collector_urlpatterns: list[Any] = [
    *(re_path(rf"^{address}/?$", view) for address, view in collector_views().items()),
    re_path(r"^v1/projects/(?P<write_key>[^/]+)/settings/?$", SegmentSettings.as_view(), name="segment-settings"),
    re_path(r"^sourceConfig/?$", RudderSettings.as_view(), name="rudder-settings"),
]
