"""Collector for GA4's Measurement Protocol: shops that report to Google from their server can send the same calls here.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from customers.events.collector.envelope import MAX_BATCH_EVENTS, CollectorError, parse_leniently
from customers.events.collector.ingest import StoreFunction, parse_items, store_and_remember
from customers.events.collector.views import (
    CollectorView,
    authenticate_source,
    build_call_context,
    build_response,
    limit_visitors,
    read_limited_body,
    read_request_key,
)
from customers.events.models import EventReceipt
from customers.events.protocols.item_encoding import digest_item, encode_item

REPEAT_SECONDS = 60  # within which a hit without a time and with the same content is a repetition
PAGE_PARAMETERS = {"page_location": "url", "page_referrer": "referrer", "page_title": "title"}


class MeasurementProtocolCollector(CollectorView):
    """``POST /mp/collect?measurement_id=…&api_secret=…``; the secret is the write key, the measurement id is ignored."""

    store: StoreFunction = staticmethod(store_and_remember)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        received_at = datetime.now(UTC)
        key = request.GET.get("api_secret", "") or read_request_key(request)
        source = authenticate_source(key, origin=request.META.get("HTTP_ORIGIN", ""), now=received_at)
        hit = parse_hit(read_limited_body(request, source).data)
        numbered = number_repeats(list(iterate_items(hit)), source_id=source.id, received_at=received_at)
        items = [(index, encode_item(item)) for index, item in enumerate(numbered)]
        rows, rejected = parse_items(items, build_call_context(source, request, None, None, received_at))
        limit_visitors(request, rows)
        return build_response(self.store(rows, rejected))


def parse_hit(body: bytes) -> dict[str, Any]:
    """Parse a Measurement Protocol body."""
    try:
        hit = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        hit = parse_leniently(body, str(error))
    if not isinstance(hit, dict) or not isinstance(hit.get("events"), list):
        raise CollectorError(400, "invalid_hit", 'Send an object {"client_id": …, "events": [ … ]}.')
    if len(hit["events"]) > MAX_BATCH_EVENTS:
        message = f"The call has {len(hit['events'])} events; the maximum is {MAX_BATCH_EVENTS}."
        raise CollectorError(413, "too_many_events", message)
    return hit


def iterate_items(hit: dict[str, Any]) -> Iterator[Any]:
    """Yield the events, and the user properties as an identify call, in the form an SDK would send them."""
    common = {
        "userId": hit.get("user_id"),
        "anonymousId": hit.get("client_id") or hit.get("app_instance_id"),
        "timestamp": to_seconds(hit.get("timestamp_micros")),
    }
    context: dict[str, Any] = {"library": {"name": "ga4-measurement-protocol"}}
    if isinstance(hit.get("consent"), dict):
        context["consent"] = {"categoryPreferences": read_consent(hit["consent"])}
    for event in hit["events"]:
        yield build_item(event, common, context) if isinstance(event, dict) else event
    if isinstance(hit.get("user_properties"), dict):
        traits = flatten_user_properties(hit["user_properties"])
        yield {**common, "type": "identify", "traits": traits, "context": context}


def build_item(event: dict[str, Any], common: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Return a GA4 event as a track, page or screen item."""
    parameters = event.get("params")
    properties = parameters if isinstance(parameters, dict) else {}
    item = {**common, "context": context, "properties": parameters}
    if "timestamp_micros" in event:
        item["timestamp"] = to_seconds(event["timestamp_micros"])
    if event.get("name") == "page_view":
        renamed = {new: properties[old] for old, new in PAGE_PARAMETERS.items() if old in properties}
        return {**item, "type": "page", "name": properties.get("page_title"), "properties": {**properties, **renamed}}
    if event.get("name") == "screen_view":
        return {**item, "type": "screen", "name": properties.get("screen_name")}
    return {**item, "type": "track", "event": event.get("name")}


def number_repeats(items: Sequence[Any], *, source_id: int, received_at: datetime) -> list[Any]:
    """Return the items with message ids made from their content, so that a hit which is sent again counts once.

    The protocol has no message id. Equal items of one hit are different events. An item with a time has the same id whenever it
    arrives; an item without a time has the id of its minute, or that of an equal item that arrived less than a minute ago.
    """
    seen: Counter[bytes] = Counter()
    minute = int(received_at.timestamp()) // REPEAT_SECONDS
    ids: list[str] = []
    earlier: dict[int, str] = {}
    for position, item in enumerate(items):
        digest = digest_item(item)
        content = f"ga4-{digest.hex()}-{seen[digest]}"
        seen[digest] += 1
        if isinstance(item, dict) and item.get("timestamp") is not None:
            ids.append(content)
            continue
        ids.append(f"{content}-{minute:x}")
        earlier[position] = f"{content}-{minute - 1:x}"
    received = find_received(list(earlier.values()), source_id=source_id, received_at=received_at)
    for position, message_id in earlier.items():
        if message_id in received:
            ids[position] = message_id
    return [
        {**item, "messageId": message_id} if isinstance(item, dict) else item
        for item, message_id in zip(items, ids, strict=True)
    ]


def find_received(message_ids: Sequence[str], *, source_id: int, received_at: datetime) -> set[str]:
    """Return those of the message ids that the source has sent within the window."""
    if not message_ids:
        return set()
    receipts = EventReceipt.objects.filter(
        source_id=source_id,
        message_id__in=message_ids,
        received_at__gt=received_at - timedelta(seconds=REPEAT_SECONDS),
    )
    return set(receipts.values_list("message_id", flat=True))


def read_consent(consent: dict[str, Any]) -> dict[str, bool]:
    """Return Google's GRANTED and DENIED as booleans; ``ad_user_data`` is about advertising and matches none of our purposes."""
    return {name: value.upper() != "DENIED" for name, value in consent.items() if isinstance(value, str)}


def flatten_user_properties(properties: dict[str, Any]) -> dict[str, Any]:
    """Return ``{name: {"value": x}}`` as ``{name: x}``."""
    return {name: value["value"] for name, value in properties.items() if isinstance(value, dict) and "value" in value}


def to_seconds(micros: Any) -> Any:
    """Return Google's microseconds as seconds; anything but a number is returned as is and rejected later by field."""
    if isinstance(micros, str) and micros.isascii() and micros.isdigit() and len(micros) < 20:
        micros = int(micros)
    return micros / 1_000_000 if isinstance(micros, int | float) and not isinstance(micros, bool) else micros
