"""Makes sources with keys and sends to the collector as the SDKs do."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from customers.events.models import Source
from customers.events.write_keys import draw_write_key


def make_keyed_source(key: str = "web", **fields: Any) -> tuple[Source, str]:
    source = Source(key=key, name=key, **{"kind": Source.Kind.BROWSER, **fields})
    plain = draw_write_key(source, now=datetime.now(UTC))
    source.save()
    return source, plain


def basic(write_key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode()}


def track(event: str = "Shop Opened", **item: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "u1", **item}


def send(
    body: Any, write_key: str | None, path: str = "/v1/batch", *, content_type: str = "text/plain", **headers: str
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    key_headers = basic(write_key) if write_key else {}
    return Client().post(path, data, content_type=content_type, headers={**key_headers, **headers})
