"""What browser SDKs ask for before they send anything: here it says that events go to this host, and to nobody else."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from customers.events.collector.envelope import CollectorError
from customers.events.collector.views import CollectorView, call_key, json_response, missing_write_key, source_for

CACHED_SECONDS = 300


class SegmentSettings(CollectorView):
    """``GET /v1/projects/{writeKey}/settings`` for @segment/analytics-next."""

    def get(self, request: HttpRequest, *, write_key: str, **kwargs: Any) -> HttpResponse:
        source_for(write_key, origin=request.META.get("HTTP_ORIGIN", ""), now=datetime.now(UTC))
        integration: dict[str, Any] = {
            "apiKey": write_key,
            "apiHost": f"{own_host(request)}/v1",
            "protocol": request.scheme,
            "addBundledMetadata": True,
            "unbundledIntegrations": [],
        }
        return cached(
            {
                "integrations": {"Segment.io": integration},
                "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
                "edgeFunction": {},
                "analyticsNextEnabled": True,
                "metrics": {"sampleRate": 0},  # else the SDK reports its own figures to Segment
                "remotePlugins": [],
            }
        )


class RudderSettings(CollectorView):
    """``GET /sourceConfig/`` for RudderStack's browser SDK, with the write key as the user name of Basic or in the query."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        write_key = call_key(request)
        if not write_key:
            raise missing_write_key()
        source = source_for(write_key, origin=request.META.get("HTTP_ORIGIN", ""), now=datetime.now(UTC))
        off = {"enabled": False}
        return cached(
            {
                "source": {
                    "id": source.key,
                    "name": source.key,
                    "writeKey": write_key,
                    "workspaceId": "perennial",
                    "enabled": True,
                    "config": {"statsCollection": {"errors": off, "metrics": off}},
                    "dataplanes": {},
                    "connections": [],
                    "destinations": [],
                }
            }
        )


def own_host(request: HttpRequest) -> str:
    try:
        return request.get_host()
    except DisallowedHost as error:
        message = f"This host is not in ALLOWED_HOSTS ({request.META.get('HTTP_HOST', '')!r})."
        raise CollectorError(400, "host_not_allowed", message) from error


def cached(content: dict[str, Any]) -> HttpResponse:
    response = json_response(content)
    response["Cache-Control"] = f"private, max-age={CACHED_SECONDS}"
    return response
