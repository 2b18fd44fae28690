"""Sources with write keys, and calls to the collector as the SDKs make them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from customers.events.collector.event_store import RejectedItem
from customers.events.collector.items import decode_item
from customers.events.collector.parsing import EventRow, RequestContext, build_row
from customers.events.models import Source
from customers.events.sources.write_keys import generate_write_key
from tests.makers import NOON


def make_keyed_source(key: str = "web", **fields: Any) -> tuple[Source, str]:
    source = Source(key=key, name=key, **{"kind": Source.Kind.SERVER, **fields})
    plain = generate_write_key(source, now=datetime.now(UTC))
    source.save()
    return source, plain


def build_basic_auth(write_key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode()}


def track(event: str = "Shop Opened", **item: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "u1", **item}


def send(
    body: Any, write_key: str | None, path: str = "/v1/batch", *, content_type: str = "text/plain", **headers: str
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    key_headers = build_basic_auth(write_key) if write_key else {}
    return Client().post(path, data, content_type=content_type, headers={**key_headers, **headers})


def build_rows(*message_ids: str, source_id: int, at: datetime = NOON) -> list[EventRow]:
    """Return events that are ready to be stored."""
    raws = [json.dumps(track(messageId=message_id)).encode() for message_id in message_ids]
    context = RequestContext(source_id, at)
    return [build_row(decode_item(raw), index=index, raw=raw, context=context) for index, raw in enumerate(raws)]


def build_rejected_item(payload: str = "{}", *, source_id: int, at: datetime = NOON) -> RejectedItem:
    """Return an item that the collector rejects."""
    return RejectedItem(0, payload, "missing_identity", "no identity", RequestContext(source_id, at))
