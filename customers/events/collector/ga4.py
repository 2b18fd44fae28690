"""GA4's Measurement Protocol: the same events under Google's names, for shops that send to Google from their server.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from customers.events.collector.envelope import MOST_BATCH_EVENTS, CollectorError, read_body, read_loosely
from customers.events.collector.ingest import Record, read_items, record_and_remember
from customers.events.collector.views import CollectorView, answer, call_key, frame_of, source_for

PAGE_PARAMETERS = {"page_location": "url", "page_referrer": "referrer", "page_title": "title"}


class GoogleCollector(CollectorView):
    """``POST /mp/collect?measurement_id=…&api_secret=…``; the secret is the write key, the measurement id is not looked at."""

    record: Record = staticmethod(record_and_remember)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        received_at = datetime.now(UTC)
        key = request.GET.get("api_secret", "") or call_key(request)
        source = source_for(key, origin=request.META.get("HTTP_ORIGIN", ""), now=received_at)
        hit = open_hit(read_body(request))
        items = [(index, encode_item(item)) for index, item in enumerate(items_of(hit))]
        rows, refusals = read_items(items, frame_of(source, request, None, None, received_at))
        return answer(self.record(rows, refusals))


def open_hit(body: bytes) -> dict[str, Any]:
    try:
        hit = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        hit = read_loosely(body, str(error))
    if not isinstance(hit, dict) or not isinstance(hit.get("events"), list):
        raise CollectorError(400, "invalid_hit", 'Give an object {"client_id": …, "events": [ … ]}.')
    if len(hit["events"]) > MOST_BATCH_EVENTS:
        message = f"The call has {len(hit['events'])} events; at most {MOST_BATCH_EVENTS} are taken."
        raise CollectorError(413, "too_many_events", message)
    return hit


def items_of(hit: dict[str, Any]) -> Iterator[Any]:
    """The events, and the user's properties where there are any, as the items that an SDK would send."""
    around = {
        "userId": hit.get("user_id"),
        "anonymousId": hit.get("client_id") or hit.get("app_instance_id"),
        "timestamp": seconds_of(hit.get("timestamp_micros")),
    }
    context: dict[str, Any] = {"library": {"name": "ga4-measurement-protocol"}}
    if isinstance(hit.get("consent"), dict):
        context["consent"] = {"categoryPreferences": preferences_of(hit["consent"])}
    for event in hit["events"]:
        yield item_of(event, around, context) if isinstance(event, dict) else event
    if isinstance(hit.get("user_properties"), dict):
        yield {**around, "type": "identify", "traits": plain_properties(hit["user_properties"]), "context": context}


def item_of(event: dict[str, Any], around: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    parameters = event.get("params")
    properties = parameters if isinstance(parameters, dict) else {}
    item = {**around, "context": context, "properties": parameters}
    if "timestamp_micros" in event:
        item["timestamp"] = seconds_of(event["timestamp_micros"])
    if event.get("name") == "page_view":
        named = {to: properties[name] for name, to in PAGE_PARAMETERS.items() if name in properties}
        return {**item, "type": "page", "name": properties.get("page_title"), "properties": {**properties, **named}}
    if event.get("name") == "screen_view":
        return {**item, "type": "screen", "name": properties.get("screen_name")}
    return {**item, "type": "track", "event": event.get("name")}


def preferences_of(consent: dict[str, Any]) -> dict[str, bool]:
    """Google writes GRANTED or DENIED; ``ad_user_data`` is about advertising and none of our purposes."""
    return {name: value.upper() != "DENIED" for name, value in consent.items() if isinstance(value, str)}


def plain_properties(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value["value"] for name, value in properties.items() if isinstance(value, dict) and "value" in value}


def seconds_of(micros: Any) -> Any:
    """Google's microseconds as seconds; what is no number stays as it is and is refused with its name later."""
    if isinstance(micros, str) and micros.isascii() and micros.isdigit() and len(micros) < 20:
        micros = int(micros)
    return micros / 1_000_000 if isinstance(micros, int | float) and not isinstance(micros, bool) else micros


def encode_item(item: Any) -> bytes:
    """NaN and half characters, which only Python's reader takes, are put back as text that the decoder refuses."""
    try:
        return msgspec.json.encode(item)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return json.dumps(item).encode()
