"""Delivery of simulated items: to a file, or to a collector in the way a shop's server sends them."""

import base64
import gzip
import http.client
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import msgspec

from customers.events.models import Source

SOURCE_KEY = "simulated-storefront"
SOURCE_NAME = "Storefront (simulated)"
BATCH_EVENTS = 100
FLUSH_EVENTS = 5_000  # the SDK's queue holds 10,000 events and drops any further ones
MAX_ATTEMPTS = 8
MAX_WAIT_SECONDS = 300

Items = Iterable[list[bytes]]
ReportProgress = Callable[[int], None]


class DeliveryError(Exception):
    """The collector rejects the events or cannot be reached."""


def ensure_simulated_source(*, name: str = SOURCE_NAME) -> Source:
    return Source.objects.get_or_create(
        key=SOURCE_KEY, defaults={"name": name, "kind": Source.Kind.SERVER, "is_simulated": True}
    )[0]


def write_file(items: Items, path: Path, report_progress: ReportProgress) -> int:
    """Write JSON Lines for `manage.py import_events`, compressed if the name ends in .gz; the file appears only when it is complete."""
    n_items = 0
    partial_file = path.with_name(f"{path.name}.part")
    with cast(
        BinaryIO, gzip.open(partial_file, "wb", compresslevel=1) if path.suffix == ".gz" else partial_file.open("wb")
    ) as stream:
        for batch in items:
            stream.write(b"\n".join(batch) + b"\n")
            n_items += len(batch)
            report_progress(n_items)
    partial_file.replace(path)
    return n_items


def get_sender_name() -> str:
    return "segment-analytics-python" if importlib.util.find_spec("segment") else "plain HTTP"


def send_items(items: Items, *, host: str, write_key: str, report_progress: ReportProgress) -> int:
    """Send items to a collector, with Segment's own SDK if it is installed; return their number. Raises DeliveryError."""
    if importlib.util.find_spec("segment"):
        return send_with_sdk(items, host=host, write_key=write_key, report_progress=report_progress)
    return send_over_http(items, host=host, write_key=write_key, report_progress=report_progress)


def send_with_sdk(items: Items, *, host: str, write_key: str, report_progress: ReportProgress) -> int:
    """Send items with Segment's SDK; return their number. Raises DeliveryError if the SDK gives up on a batch."""
    from segment.analytics.client import Client

    failures: list[Exception] = []
    client = Client(
        write_key,
        host=host,
        gzip=True,
        max_retries=MAX_ATTEMPTS,
        on_error=lambda error, failed_batch: failures.append(error),
    )
    n_sent = 0
    try:
        for part in split_into_batches(items, FLUSH_EVENTS):
            for raw in part:
                queue_item(client, msgspec.json.decode(raw))
            client.flush()
            if failures:
                raise DeliveryError(f"{host} did not accept a batch: {failures[0]}")
            n_sent += len(part)
            report_progress(n_sent)
    finally:
        client.shutdown()
    return n_sent


def queue_item(client: Any, item: dict[str, Any]) -> None:
    common = {
        "user_id": item.get("userId"),
        "anonymous_id": item["anonymousId"],
        "context": item["context"],
        "timestamp": datetime.fromisoformat(item["timestamp"]),
        "message_id": item["messageId"],
    }
    match item["type"]:
        case "track":
            queued, _message = client.track(event=item["event"], properties=item["properties"], **common)
        case "identify":
            queued, _message = client.identify(traits=item["traits"], **common)
        case kind:  # page, screen
            queued, _message = getattr(client, kind)(name=item["name"], properties=item["properties"], **common)
    if not queued:
        raise DeliveryError("The SDK's queue is full even though it was flushed.")


def send_over_http(items: Items, *, host: str, write_key: str, report_progress: ReportProgress) -> int:
    """Send items in batches like those of the SDK; return their number. Raises DeliveryError."""
    address = urlsplit(host)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise DeliveryError(f"{host!r} is not a valid URL. Use one such as http://127.0.0.1:8000.")
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    n_sent = 0
    with closing(kind(address.hostname, address.port, timeout=30)) as connection:
        for batch in split_into_batches(items, BATCH_EVENTS):
            post_batch(connection, f"{address.path.rstrip('/')}/v1/batch", batch, headers)
            n_sent += len(batch)
            report_progress(n_sent)
    return n_sent


def post_batch(connection: http.client.HTTPConnection, path: str, batch: list[bytes], headers: dict[str, str]) -> None:
    """Post one batch, with retries while the server is down or asks to wait. Raises DeliveryError."""
    problem = ""
    for attempt in range(MAX_ATTEMPTS):
        sent_at = datetime.now(UTC).isoformat()
        body = b'{"batch":[' + b",".join(batch) + b'],"sentAt":' + json.dumps(sent_at).encode() + b"}"
        wait = min(2.0**attempt / 4, 30.0)
        try:
            connection.request("POST", path, gzip.compress(body, compresslevel=1), headers)
            response = connection.getresponse()
            content = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # the next request reopens it
            problem = str(error)
        else:
            if 200 <= response.status < 300:
                return
            problem = f"{response.status} {content[:200]}"
            if response.status not in (408, 429) and response.status < 500:
                break
            wait = min(float(response.headers.get("Retry-After") or wait), MAX_WAIT_SECONDS)
        time.sleep(wait)
    raise DeliveryError(f"{connection.host}:{connection.port} did not accept a batch: {problem}")


def split_into_batches(items: Items, size: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for item_list in items:
        for item in item_list:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch
