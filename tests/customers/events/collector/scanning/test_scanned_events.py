"""The scanner of batches returns the rows of the parser of single events, or leaves an event to it."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.foundation.json_nesting import MAX_JSON_DEPTH
from customers.events.collector import fields, items
from customers.events.collector.envelope import parse_batch
from customers.events.collector.ingest import parse_items
from customers.events.collector.items import choose_item_decoder
from customers.events.collector.parsing import EventRow, RequestContext
from customers.events.collector.scanning import kernels, name_tables
from customers.events.collector.scanning.name_tables import REBUILD_SECONDS, NameTables
from customers.events.collector.scanning.scanned_events import EventScanner
from customers.events.collector.views import parse_envelope
from customers.identity.personal_data import recognition
from customers.identity.personal_data.personal_names import classify_name

RECEIVED = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERVER = RequestContext(1, RECEIVED, sent_at="2026-11-20T12:00:05.123Z")
BROWSER = RequestContext(2, RECEIVED, is_trusted=False)
SIGNED = RequestContext(3, RECEIVED, token_key="key", is_trusted=False)
VIEW: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "userId": None,
    "anonymousId": "visitor-1",
    "timestamp": "2026-11-20T11:59:58.250Z",
    "properties": {"product_id": "p-1", "price": 12.5, "currency": "eur", "value": 12.5, "category": "Tea > Green"},
    "context": {
        "library": {"name": "analytics.js"},
        "sessionId": "s-1",
        "page": {"path": "/tea", "url": "https://shop.example/tea?q=1"},
    },
    "integrations": {},
}


@pytest.fixture(scope="module")
def scanner() -> EventScanner:
    for name in (
        "product_id",
        "productId",
        "sku",
        "price",
        "currency",
        "value",
        "total",
        "category",
        "products",
        "items",
        "session_id",
    ):
        classify_name(name)
    # the table is built now: other tests may have made so many names known that these would be too few to build it again
    scanner = EventScanner()
    scanner.load()
    return scanner


def scan(scanner: EventScanner, body: bytes, context: RequestContext) -> list[EventRow | None]:
    rows = scanner.scan_events(body, len(parse_batch(body).batch), context)
    assert rows is not None
    return rows


def describe(row: EventRow) -> dict[str, Any]:
    """Return all of a row as it will be stored: JSON is compared without its spaces."""
    stored = {**msgspec.structs.asdict(row.stored), "properties": None, "context": None}
    return {
        **msgspec.structs.asdict(row),
        "stored": stored,
        "json": [msgspec.json.decode(row.stored.properties), msgspec.json.decode(row.stored.context)],
    }


def require_same(scanner: EventScanner, body: bytes, context: RequestContext) -> int:
    """Compare each scanned row with that of the parser; return how many were ordinary."""
    items = [bytes(raw) for raw in parse_batch(body).batch]
    scanned = scan(scanner, body, context)
    parsed, _rejected = parse_items(enumerate(items), context, choose_item_decoder(body, 60))
    by_index = {row.index: row for row in parsed}
    for index, row in enumerate(scanned):
        if row is not None:
            assert describe(row) == describe(by_index[index]), items[index]
    return sum(row is not None for row in scanned)


def pack(*items: Any, **options: Any) -> bytes:
    return json.dumps({"sentAt": "2026-11-20T12:00:00Z", "batch": list(items)}, **options).encode()


@pytest.mark.parametrize("context", [SERVER, BROWSER])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_ordinary_event_is_read_from_its_bytes(
    scanner: EventScanner, context: RequestContext, indent: int | None
) -> None:
    page = {
        "type": "page",
        "name": "主页",
        "messageId": "m-2",
        "userId": "mei",
        "properties": {"price": 1},
        "context": {"userAgent": "Mozilla/5.0 手机"},
    }
    consent = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}
    agreed = {
        **VIEW,
        "context": {**consent, "sessionId": None},
        "properties": {"session_id": "s-2", "sku": 17, "total": "9.999"},
    }
    body = pack(VIEW, page, agreed, indent=indent, ensure_ascii=False)
    assert require_same(scanner, body, context) == 3
    first, second, third = (row for row in scan(scanner, body, context) if row is not None)
    assert (first.stored.product_ids, str(first.stored.value), first.stored.currency) == (["p-1"], "12.50", "EUR")
    assert (second.stored.name, second.stored.user_id, second.stored.type) == ("主页", "mei", "page")
    assert (third.consent, third.stored.session_id, third.stored.product_ids, str(third.stored.value)) == (
        "all",
        "s-2",
        ["17"],
        "10.00",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"type": "identify", "traits": {"email": "a@b.org"}},
        {"userId": "undefined"},
        {"userId": 5},
        {"anonymousId": None},
        {"event": ""},
        {"event": 'a "quoted" name'},
        {"timestamp": "yesterday"},
        {"timestamp": 1_795_000_000},
        {"properties": {"email": "mei@shop.example"}},
        {"properties": {"note": "call +49 30 1234567"}},
        {"properties": {"never_seen_before": 1}},
        {"properties": {"price": {"never_seen_inside": 1}}},
        {"properties": {"price": 10**18}},
        {"properties": {"price": 1e300}},
        {"properties": {"products": [{"product_id": "1"}]}},
        {"properties": {"value": "a lot", "total": None}},
        {"properties": {"value": "1" + "." * 50}},
        {"properties": [1]},
        {"context": {"consent": {"categoryPreferences": {"analytics": True}, "note": "x" * 2000}}},
        {"context": {"traits": {"name": "Mei"}}},
        {"context": {"consent": {"categoryPreferences": {"analytics": False}}}},
        {"context": {"userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}},
        {"context": {"page": {"url": "https://shop.example/?mail=a%40b.org"}}},
        {"context": {"page": {"url": "https://shop.example/?phone=015112345678"}}},
        {"context": {"sessionId": True}},
        {"context": {"agent": {"key": "claimed"}}},
    ],
)
def test_what_is_not_ordinary_is_left_to_the_parser(scanner: EventScanner, change: dict[str, Any]) -> None:
    body = pack(VIEW, {**VIEW, **change}, VIEW)
    assert [row is not None for row in scan(scanner, body, BROWSER)] == [True, False, True]
    require_same(scanner, body, BROWSER)


def test_a_source_that_requires_tokens_has_its_user_ids_checked(scanner: EventScanner) -> None:
    rows = scan(scanner, pack(VIEW, {**VIEW, "userId": "mei"}), SIGNED)
    assert [row is not None for row in rows] == [True, False]


def test_scanned_and_parsed_events_keep_the_order_of_the_call(
    scanner: EventScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.events.collector.views.event_scanner", scanner)
    body = pack(VIEW, {**VIEW, "userId": 5}, {"type": "track"}, VIEW)
    rows, rejected = parse_envelope(parse_batch(body), body, BROWSER, choose_item_decoder(body, 5))
    assert [row.index for row in rows] == [0, 1, 3]
    assert [item.index for item in rejected] == [2]


def test_unexpected_bodies_are_parsed_one_by_one(scanner: EventScanner) -> None:
    twice = b'{"batch":[{"type":"track"}],"batch":[{"type":"page"}]}'
    assert scanner.scan_events(twice, 1, BROWSER) is None
    assert scanner.scan_events(b'{"b\\u0061tch":[]}', 0, BROWSER) is None
    assert EventScanner().scan_events(pack(VIEW), 1, BROWSER) is None, "its kernels are not loaded"
    assert scan(scanner, b'{"batch":[1,"a",[{}],null,{}]}', BROWSER) == [None] * 5


texts = st.sampled_from(
    ["", "p-1", "0", "null", "a@b.org", "12345678901", "+49 30 123456789", "?q=1", "%40", "主页", "a\\b", 'q"q', "\u0000", "\ud800",
     "x" * 101, "x" * 300, "EUR", "12.345", "1e5", "2026-11-20T10:00:00Z", "2020-01-01", "2027-01-01T00:00:00+08:00", "  "]
)  # fmt: skip
scalars = st.one_of(texts, st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False))
names = st.sampled_from(
    ["product_id", "productId", "sku", "products", "items", "total", "value", "currency", "session_id", "recommendation_id", "price",
     "email", "$personal", "sessionId", "userAgent", "consent", "consentManagement", "userToken", "agent", "page", "library", "traits"]
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "page", "screen", "identify", 1]),
        "event": st.sampled_from(["Product Viewed", "Order Completed", "Own event", "主页"]) | scalars,
        **dict.fromkeys(
            ["messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "name", "category"],
            scalars,
        ),
        "properties": st.dictionaries(names, values, max_size=5) | scalars,
        "context": st.dictionaries(names, values, max_size=4) | scalars,
    },
)


@given(
    items=st.lists(st.tuples(events, st.lists(st.sampled_from(sorted(VIEW)), max_size=9)), min_size=1, max_size=8),
    context=st.sampled_from([SERVER, BROWSER, SIGNED]),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
)
def test_any_event_has_the_row_of_the_parser_or_none(
    scanner: EventScanner,
    items: list[tuple[dict[str, Any], list[str]]],
    context: RequestContext,
    indent: int | None,
    is_ascii: bool,
) -> None:
    # an event with a message ID, since the parser makes up another one each time
    mixed = [{**event, "messageId": "m", **{name: VIEW[name] for name in kept}} for event, kept in items]
    body = (
        pack(*mixed, indent=indent, ensure_ascii=is_ascii).decode().encode(errors="surrogatepass")
        if is_ascii
        else (json.dumps({"batch": mixed}, indent=indent, ensure_ascii=False).encode(errors="replace"))
    )
    try:
        envelope = parse_batch(body)
    except ValueError:
        return
    if not envelope.is_repaired:
        require_same(scanner, body, context)


def test_a_name_that_is_classified_is_ordinary_a_few_seconds_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(200):  # so that one more is not an eighth of all
        classify_name(f"steepingNumber{number}")
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(name_tables, "time", SimpleNamespace(monotonic=lambda: clock.now))
    scanner = EventScanner()
    scanner.load()
    body = pack({**VIEW, "properties": {"steepingMinutes": 3}})
    classify_name("steepingMinutes")
    assert scan(scanner, body, BROWSER) == [None]
    clock.now += REBUILD_SECONDS + 1
    assert scan(scanner, body, BROWSER) != [None]


def test_a_name_that_looks_like_an_address_is_left_to_the_parser(scanner: EventScanner) -> None:
    classify_name("mei@shop.example")
    tables = NameTables()
    assert b"shop.example" not in tables.get_properties()[2].tobytes()


def test_the_limits_are_those_of_the_parser() -> None:
    """Numba would not notice a change of another file, so the kernels have numbers of their own."""
    for name in ("MAX_NAME", "MAX_ID", "MAX_MESSAGE_ID", "MAX_PRODUCT_ID", "MAX_SESSION_ID", "MAX_RECOMMENDATION_ID"):
        assert getattr(kernels, name) == getattr(fields, name), name
    assert kernels.MAX_EVENT_BYTES == items.MAX_EVENT_BYTES
    assert kernels.MIN_RUN == recognition.MIN_RUN
    assert kernels.MAX_DEPTH < MAX_JSON_DEPTH
