"""The settings that browser SDKs request before sending events: they direct all events to this host and to no third party."""

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_vary_headers, set_response_etag

from customers.events.collector.envelope import CollectorError
from customers.events.collector.views import (
    CollectorView,
    authenticate_source,
    build_json_response,
    build_missing_key_error,
    read_request_key,
)

CACHED_SECONDS = 300


class SegmentSettings(CollectorView):
    """``GET /v1/projects/{writeKey}/settings`` for @segment/analytics-next."""

    def get(self, request: HttpRequest, *, write_key: str, **kwargs: Any) -> HttpResponse:
        authenticate_source(write_key, origin=request.META.get("HTTP_ORIGIN", ""), now=datetime.now(UTC))
        integration: dict[str, Any] = {
            "apiKey": write_key,
            "apiHost": f"{read_host(request)}/v1",
            "protocol": request.scheme,
            "addBundledMetadata": True,
            "unbundledIntegrations": [],
        }
        return build_cacheable_response(
            request,
            {
                "integrations": {"Segment.io": integration},
                "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
                "edgeFunction": {},
                "analyticsNextEnabled": True,
                "metrics": {"sampleRate": 0},  # otherwise the SDK reports usage metrics to Segment
                "remotePlugins": [],
            },
        )


class RudderSettings(CollectorView):
    """``GET /sourceConfig/`` for RudderStack's browser SDK, with the write key as the user name of Basic or in the query."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        write_key = read_request_key(request)
        if not write_key:
            raise build_missing_key_error()
        source = authenticate_source(write_key, origin=request.META.get("HTTP_ORIGIN", ""), now=datetime.now(UTC))
        off = {"enabled": False}
        return build_cacheable_response(
            request,
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
            },
        )


def read_host(request: HttpRequest) -> str:
    """Return the host that the SDK reached. Raises CollectorError if it is not in ALLOWED_HOSTS."""
    try:
        return request.get_host()
    except DisallowedHost as error:
        host = request.META.get("HTTP_HOST", "")
        message = f"Host {host!r} is not allowed; add it to ALLOWED_HOSTS."
        raise CollectorError(400, "host_not_allowed", message) from error


def build_cacheable_response(request: HttpRequest, content: dict[str, Any]) -> HttpResponse:
    """Return a JSON response that the browser keeps for a few minutes, or 304 if it has the current one."""
    response = build_json_response(content)
    response["Cache-Control"] = f"private, max-age={CACHED_SECONDS}"
    patch_vary_headers(response, ("Authorization", "Origin", "X-Write-Key"))
    set_response_etag(response)
    return get_conditional_response(request, etag=response["ETag"], response=response) or response
