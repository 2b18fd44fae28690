"""Collector for the protocol of Sensors Analytics (神策): its SDKs send here when only their ``server_url`` is changed.

An event is JSON in base64, optionally compressed by gzip, in the parameter ``data`` of a query or form; ``data_list`` is a list of them. Read
in the published SDKs sa-sdk-javascript 1.27.11 and sa-sdk-miniprogram 1.22.7.
"""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from config.foundation.http.client_address import get_client_address
from config.foundation.json_nesting import NestingError, require_shallow_json
from customers.events.collector.envelope import (
    GZIP_MAGIC,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_BODY_DEPTH,
    CollectorError,
    decompress,
    parse_leniently,
)
from customers.events.collector.event_store import RejectedItem, StoreResult
from customers.events.collector.ingest import PendingResult, StoreFunction, parse_items, reject_item, store_and_remember
from customers.events.collector.items import ItemError
from customers.events.collector.parsing import EventRow, RequestContext
from customers.events.collector.rate_limits import limit_content, limit_requests
from customers.events.collector.unstorable_text import escape_invalid_bytes
from customers.events.collector.views import (
    CollectorView,
    PendingResponse,
    authenticate_source,
    build_call_context,
    build_response,
    limit_visitors,
    read_limited_body,
    read_request_key,
)
from customers.events.protocols.item_encoding import digest_item, encode_item
from customers.events.sources.write_keys import KnownSource

MAX_FIELDS = 20  # of a form; the SDKs send at most four
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # transparent, 1 × 1
PAGES = {"$pageview": "page", "$MPViewScreen": "screen", "$AppViewScreen": "screen"}
PAGE_PROPERTIES = {
    "$url": "url",
    "$url_path": "path",
    "$referrer": "referrer",
    "$title": "title",
    "$screen_name": "name",
}
CAMPAIGN_PROPERTIES = {
    f"${prefix}utm_{name}": field
    for prefix in ("latest_", "")
    for name, field in (
        ("source", "source"), ("medium", "medium"), ("campaign", "name"), ("content", "content"), ("term", "term")
    )
}  # fmt: skip
UNSUPPORTED = {
    "profile_increment": "Incrementing a profile property is not supported; send its new value with profile_set.",
    "profile_append": "Appending to a profile property is not supported; send the whole list with profile_set.",
    "profile_unset": "Removing a profile property is not supported; send an empty value with profile_set.",
    "profile_delete": "Deleting a profile needs a privacy request; see docs/privacy.md.",
    "item_set": "Products are not accepted from events; send them by the REST API or a product feed.",
    "item_delete": "Products are not accepted from events; delete them by the REST API or a product feed.",
}
LOGIN_ID, EMAIL, PHONE = "$identity_login_id", "$identity_email", "$identity_mobile"
OPEN_ID = re.compile(r"\$identity_(?:mp_)?(?:[A-Za-z0-9]{1,64}_)?openid")
UNION_ID = re.compile(r"\$identity_(?:mp_)?(?:[A-Za-z0-9]{1,64}_)?unionid")


class SensorsCollector(CollectorView):
    """``GET`` or ``POST /sa?project=…``; the project is the write key of a source."""

    store: StoreFunction = staticmethod(store_and_remember)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Accept the address of an image, which browsers request without reading the response."""
        received_at = datetime.now(UTC)
        source = self.authenticate(request, received_at)
        query = request.META.get("QUERY_STRING", "")
        if not source.is_trusted:
            address = get_client_address(request.META)
            limit_requests(address)
            limit_content(address, size=len(query))
        result = self.collect(request, source, query, received_at)
        return build_image_response() if isinstance(result, StoreResult) else PendingImageResponse(result)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        received_at = datetime.now(UTC)
        source = self.authenticate(request, received_at)
        form = read_limited_body(request, source).data.decode()
        return build_response(self.collect(request, source, form, received_at))

    def authenticate(self, request: HttpRequest, received_at: datetime) -> KnownSource:
        key = request.GET.get("project", "") or read_request_key(request)
        return authenticate_source(key, origin=request.META.get("HTTP_ORIGIN", ""), now=received_at)

    def collect(
        self, request: HttpRequest, source: KnownSource, form: str, received_at: datetime
    ) -> StoreResult | PendingResult:
        """Store the events of a query or form."""
        events = decode_form(form)
        rows, rejected = parse_events(events, build_call_context(source, request, None, None, received_at))
        limit_visitors(request, rows)
        return self.store(rows, rejected)


class PendingImageResponse(PendingResponse):
    """The image that is sent once the events of its address are stored; errors are sent as JSON."""

    def complete(self) -> HttpResponseBase:
        response = super().complete()
        return build_image_response() if response.status_code == 200 else response


def build_image_response() -> HttpResponse:
    return HttpResponse(PIXEL, content_type="image/gif")


def decode_form(form: str) -> list[Any]:
    """Return the events of a query or form. Errors: CollectorError with status 400 or 413."""
    try:
        fields = parse_qs(form, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise CollectorError(400, "too_many_fields", f"Send at most {MAX_FIELDS} fields.") from error
    encoded = [*fields.get("data", ()), *fields.get("data_list", ())]
    if not encoded:
        raise CollectorError(400, "missing_data", "Send events in base64 in the field data or data_list.")
    events = [event for text in encoded for event in decode_events(text)]
    if len(events) > MAX_BATCH_EVENTS:
        message = f"The call has {len(events)} events; the maximum is {MAX_BATCH_EVENTS}."
        raise CollectorError(413, "too_many_events", message)
    return events


def decode_events(text: str) -> list[Any]:
    """Decode one field: base64 of an event or a list of events, which may be compressed by gzip."""
    try:
        data = base64.b64decode(text.replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CollectorError(400, "invalid_base64", f"The events are not base64 ({error}).") from error
    if data[:2] == GZIP_MAGIC:
        data = decompress(data)
    if len(data) > MAX_BATCH_BYTES:
        message = f"The call has more than {MAX_BATCH_BYTES} bytes; send smaller batches."
        raise CollectorError(413, "too_large", message)
    data = escape_invalid_bytes(data)
    try:
        require_shallow_json(data, MAX_BODY_DEPTH)
    except NestingError as error:
        raise CollectorError(400, "nested_too_deeply", str(error)) from error
    try:
        events = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        events = parse_leniently(data, str(error))
    return events if isinstance(events, list) else [events]


def parse_events(events: list[Any], context: RequestContext) -> tuple[list[EventRow], list[RejectedItem]]:
    """Return the rows of the events, and those that are not accepted with their reasons."""
    items: list[tuple[int, bytes]] = []
    refused: list[RejectedItem] = []
    for index, event in enumerate(events):
        try:
            items.append((index, encode_item(build_item(event))))
        except ItemError as error:
            refused.append(reject_item(index, encode_item(event), error, context))
    rows, rejected = parse_items(items, context)
    return rows, [*refused, *rejected]


def build_item(event: Any) -> dict[str, Any]:
    """Return an event in the form in which a Segment SDK would send it.

    Raises:
        ItemError: it is not an object, it is encrypted, or its type is not supported.
    """
    if not isinstance(event, dict):
        raise ItemError("invalid_event", "An event must be an object.")
    if "payload" in event or "payloads" in event:
        raise ItemError("encrypted", "The event is encrypted; turn off the encryption of the SDK and use HTTPS.")
    kind = event.get("type")
    if isinstance(kind, str) and kind in UNSUPPORTED:
        raise ItemError("unsupported_type", UNSUPPORTED[kind])
    properties = read_object(event, "properties")
    token = properties.pop("user_token", None)
    item = {
        **read_ids(event, properties),
        "messageId": f"sensors-{digest_item({**event, '_flush_time': 0}).hex()}",
        "originalTimestamp": event.get("time"),
        "sentAt": event.get("_flush_time"),
        "context": build_item_context(event, properties) | ({"userToken": token} if token else {}),
    }
    return {**item, **build_call(event, kind, properties)}


def read_object(event: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of an object of the event; empty if it is something else."""
    value = event.get(name)
    return dict(value) if isinstance(value, dict) else {}


def build_call(event: dict[str, Any], kind: Any, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the type of the call and the fields that belong to it."""
    if kind == "track":
        name = event.get("event")
        named = {new: properties[old] for old, new in PAGE_PROPERTIES.items() if old in properties}
        if page := PAGES.get(name) if isinstance(name, str) else None:
            return {
                "type": page,
                "name": named.get("title") or named.get("name"),
                "properties": {**properties, **named},
            }
        return {"type": "track", "event": name, "properties": properties}
    if kind in ("profile_set", "profile_set_once"):
        return {"type": "identify", "traits": {**read_person_properties(properties), **read_addresses(event)}}
    if kind in ("track_signup", "track_id_bind"):  # both ids are in the call, which links them
        return {"type": "identify", "traits": read_addresses(event)}
    if kind == "track_id_unbind":
        return {"type": "track", "event": "$UnbindID", "properties": {}}
    return {"type": kind}


def read_ids(event: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of the customer and of the visitor."""
    identities = read_object(event, "identities")
    user_id = event.get("login_id") or identities.get(LOGIN_ID)
    anonymous_id = event.get("anonymous_id") or event.get("original_id")
    distinct_id = event.get("distinct_id")
    is_login = event.get("type") == "track_signup" or properties.get("$is_login_id") is True
    if not user_id and is_login:
        user_id = distinct_id
    if not user_id and not anonymous_id:
        anonymous_id = distinct_id
    return {"userId": user_id, "anonymousId": anonymous_id}


def read_addresses(event: dict[str, Any]) -> dict[str, Any]:
    """Return what the identities say about the person, as traits: email, phone, and the ids of WeChat."""
    identities = read_object(event, "identities")
    traits = {new: identities[old] for old, new in ((EMAIL, "email"), (PHONE, "phone")) if identities.get(old)}
    for trait, pattern in (("wechat_openid", OPEN_ID), ("wechat_unionid", UNION_ID)):
        if values := [value for name, value in identities.items() if pattern.fullmatch(name)]:
            traits[trait] = values[0] if len(values) == 1 else values
    return traits


def read_person_properties(properties: dict[str, Any]) -> dict[str, Any]:
    """Return profile properties as traits: without the dollar sign of predefined ones such as $name and $city."""
    return {name.removeprefix("$"): value for name, value in properties.items()}


def build_item_context(event: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """Return what the SDK says about itself, the device, the page and the campaign."""
    lib = read_object(event, "lib")
    name, version = lib.get("$lib") or properties.get("$lib"), lib.get("$lib_version") or properties.get("$lib_version")
    return {
        key: part
        for key, part in {
            "library": {"name": f"sensors-{name}" if isinstance(name, str) else "sensors", "version": version},
            "page": rename(properties, {old: new for old, new in PAGE_PROPERTIES.items() if new != "name"}),
            "campaign": rename(properties, CAMPAIGN_PROPERTIES),
            "device": rename(properties, {"$os": "type", "$model": "model", "$manufacturer": "manufacturer"}),
            "os": rename(properties, {"$os": "name", "$os_version": "version"}),
            "screen": rename(properties, {"$screen_width": "width", "$screen_height": "height"}),
        }.items()
        if part
    }


def rename(properties: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the properties that have a value under new names."""
    return {new: properties[old] for old, new in names.items() if properties.get(old) not in (None, "")}
