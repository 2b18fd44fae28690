"""URLs of events: the REST API (under ``/api/v1/``) and the collector (at the root, with or without a trailing slash)."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path, re_path

from customers.events.collector.ingest import StoreFunction
from customers.events.collector.views import Collector, UnknownPathView
from customers.events.protocols.ga4 import MeasurementProtocolCollector
from customers.events.protocols.sensors import SensorsCollector
from customers.events.rest.api import EventList
from customers.events.sources.sdk_settings import RudderSettings, SegmentSettings

CALL_TYPES = ("track", "identify", "page", "screen", "group", "alias")

urlpatterns = [
    path("events/", EventList.as_view(), name="event-list"),
]


def build_collector_views(**options: StoreFunction) -> dict[str, Callable[..., HttpResponseBase]]:
    """Return the paths that accept events, each with its view; ``store`` replaces how the views store events."""
    batch = Collector.as_view(**options)
    views = dict.fromkeys(("v1/batch", "v1/b", "v1/import", "beacon/v1/batch"), batch)
    for call_type in CALL_TYPES:
        single = Collector.as_view(call_type=call_type, **options)
        # the browser SDK abbreviates call types to their first letter; Jitsu's SDK uses /api/s/
        views |= dict.fromkeys((f"v1/{call_type}", f"v1/{call_type[0]}", f"api/s/{call_type}"), single)
    views["mp/collect"] = MeasurementProtocolCollector.as_view(**options)
    # the web SDK of Sensors Analytics requests sa.gif as an image where its server_url ends in sa
    return views | dict.fromkeys(("sa", "sa.gif"), SensorsCollector.as_view(**options))


collector_urlpatterns: list[Any] = [
    *(re_path(rf"^{path}/?$", view) for path, view in build_collector_views().items()),
    re_path(r"^v1/projects/(?P<write_key>[^/]+)/settings/?$", SegmentSettings.as_view(), name="segment-settings"),
    re_path(r"^sourceConfig/?$", RudderSettings.as_view(), name="rudder-settings"),
    re_path(r"^(?:v1|beacon|mp|sa|api/s)(?:/|$)", UnknownPathView.as_view()),
]
