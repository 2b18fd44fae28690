"""Parsing of the items that SDKs send."""

import contextlib
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.events.collector.items import MAX_EVENT_BYTES, ItemError, decode_item
from customers.events.collector.parsing import EventRow, RequestContext, StoredEvent, build_row

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def parse(raw: bytes, *, call_type: str | None = None, sent_at: Any = None, is_trusted: bool = True) -> EventRow:
    context = RequestContext(1, NOON, call_type, sent_at, is_trusted=is_trusted)
    return build_row(decode_item(raw), index=0, raw=raw, context=context)


def parse_item(*, sent_at: Any = None, is_trusted: bool = True, **item: Any) -> StoredEvent:
    raw = json.dumps({"type": "track", "event": "Shop Opened", "userId": "u1", **item}).encode()
    return parse(raw, sent_at=sent_at, is_trusted=is_trusted).stored


def get_rejection_code(raw: bytes | None = None, **item: Any) -> str:
    with pytest.raises(ItemError) as error_info:
        parse(raw) if raw is not None else parse_item(**item)
    assert error_info.value.reason
    return error_info.value.code


def test_client_clock_is_corrected_by_sent_at() -> None:
    client_now = NOON - timedelta(days=400)
    row = parse_item(originalTimestamp=(client_now - timedelta(seconds=7)).isoformat(), sentAt=client_now.isoformat())
    assert row.occurred_at == NOON - timedelta(seconds=7)


def test_sent_at_of_the_batch_applies_to_items_without_one() -> None:
    client_now = NOON + timedelta(hours=5)
    assert parse_item(timestamp=client_now.isoformat(), sent_at=client_now.isoformat()).occurred_at == NOON


def test_timestamp_is_used_unchanged_without_sent_at() -> None:
    assert parse_item(timestamp="2026-11-20T10:00:00+02:00").occurred_at == datetime(2026, 11, 20, 8, tzinfo=UTC)


def test_invalid_sent_at_only_disables_the_correction() -> None:
    assert parse_item(timestamp="2026-11-20T08:00:00Z", sentAt="soon").occurred_at == datetime(
        2026, 11, 20, 8, tzinfo=UTC
    )


def test_time_without_a_time_zone_is_read_as_utc() -> None:
    assert parse_item(timestamp="2026-11-20T08:00:00").occurred_at == datetime(2026, 11, 20, 8, tzinfo=UTC)


def test_unix_seconds_and_milliseconds_are_valid_times() -> None:
    time = datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert parse_item(timestamp=time.timestamp()).occurred_at == time
    assert parse_item(timestamp=int(time.timestamp() * 1000)).occurred_at == time


def test_time_more_than_a_day_in_the_future_becomes_the_time_of_receipt() -> None:
    assert parse_item(timestamp=(NOON + timedelta(hours=25)).isoformat()).occurred_at == NOON
    assert parse_item(timestamp=(NOON + timedelta(hours=23)).isoformat()).occurred_at == NOON + timedelta(hours=23)


@pytest.mark.parametrize(
    "timestamp",
    ["yesterday", "", True, [], "2026-13-01T00:00:00Z", 1e300, -1e300],
)
def test_invalid_time_is_rejected(timestamp: Any) -> None:
    assert get_rejection_code(timestamp=timestamp) == "invalid_timestamp"


@pytest.mark.parametrize("timestamp", ["0001-01-01", "1969-12-31T23:59:59Z", 0, 1, "2009-05-16T23:59:59Z"])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_time_before_the_founding_of_the_shop_is_rejected(
    monkeypatch: pytest.MonkeyPatch, timestamp: Any, is_trusted: bool
) -> None:
    monkeypatch.setattr("django.conf.settings.SHOP_FOUNDED", date(2009, 5, 17))
    with pytest.raises(ItemError, match=r"timestamp is .*before the shop was founded.*2009-05-17") as error_info:
        parse_item(timestamp=timestamp, is_trusted=is_trusted)
    assert error_info.value.code == "before_founding"
    assert parse_item(timestamp="2009-05-17T00:00:00Z").occurred_at == datetime(2009, 5, 17, tzinfo=UTC)


def test_only_a_trusted_source_dates_events_more_than_31_days_back() -> None:
    old, recent = (NOON - timedelta(days=32)).isoformat(), (NOON - timedelta(days=31)).isoformat()
    assert parse_item(timestamp=old).occurred_at == NOON - timedelta(days=32)
    assert parse_item(timestamp=old, is_trusted=False).occurred_at == NOON
    assert parse_item(timestamp=recent, is_trusted=False).occurred_at == NOON - timedelta(days=31)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"type": "purchase"}, "unknown_type"),
        ({"type": None}, "unknown_type"),
        ({"type": ["track"]}, "unknown_type"),
        ({"userId": None}, "missing_identity"),
        ({"userId": ""}, "missing_identity"),
        ({"userId": "u" * 256}, "invalid_userId"),
        ({"userId": {"id": 1}}, "invalid_userId"),
        ({"userId": True}, "invalid_userId"),
        ({"anonymousId": 1.5}, "invalid_anonymousId"),
        ({"event": None}, "missing_event"),
        ({"event": "e" * 201}, "invalid_event"),
        ({"event": 7}, "invalid_event"),
        ({"messageId": "m" * 100}, "invalid_messageId"),
        ({"properties": "none"}, "invalid_properties"),
        ({"context": [1]}, "invalid_context"),
        ({"type": "alias"}, "missing_previous_id"),
        ({"type": "group"}, "missing_group_id"),
        ({"type": "identify", "traits": 3}, "invalid_traits"),
        ({"properties": {"text": "x" * MAX_EVENT_BYTES}}, "event_too_large"),
    ],
)
def test_invalid_item_is_rejected_with_its_code(item: dict[str, Any], code: str) -> None:
    assert get_rejection_code(**item) == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"7", "invalid_event"),
        (b'["track"]', "invalid_event"),
        (b'{"type":"track","event":"e","userId":"u","properties":{"p":NaN}}', "invalid_text"),
        (b'{"type":"track","event":"e","userId":"u","properties":{"p":1e999}}', "invalid_event"),
        (b'{"type":"track","event":"e","userId":"u","properties":{"p":' + b"9" * 5000 + b"}}", "invalid_event"),
        (
            b'{"type":"track","event":"e","userId":"u","properties":{"p":' + b"[" * 5000 + b"]" * 5000 + b"}}",
            "nested_too_deeply",
        ),
    ],
)
def test_value_that_postgresql_cannot_store_is_rejected(raw: bytes, code: str) -> None:
    assert get_rejection_code(raw) == code


def test_escaped_backslash_before_u0000_is_not_a_nul_character() -> None:
    assert json.loads(bytes(parse_item(properties={"path": "C:\\u0000"}).properties)) == {"path": "C:\\u0000"}


def test_numbers_are_accepted_as_ids() -> None:
    row = parse_item(userId=17, anonymousId=4.0, messageId=99)
    assert (row.user_id, row.anonymous_id, row.message_id) == ("17", "4", "99")


def test_missing_message_id_is_generated_and_unique() -> None:
    first, second = parse_item(), parse_item()
    assert first.message_id
    assert first.message_id != second.message_id


def test_message_id_of_the_maximum_length_is_accepted() -> None:
    assert parse_item(messageId="m" * 99).message_id == "m" * 99


def test_empty_list_from_php_is_read_as_an_empty_object() -> None:
    row = parse_item(properties=[], context=[])
    assert (bytes(row.properties), bytes(row.context)) == (b"{}", b"{}")


def test_rudderstack_traits_are_read_from_the_context() -> None:
    row = parse_item(type="identify", context={"traits": {"plan": "gold"}})
    assert json.loads(bytes(row.properties)) == {"plan": "gold"}


def test_alias_keeps_the_previous_id_in_its_properties() -> None:
    assert json.loads(bytes(parse_item(type="alias", previousId="a1").properties)) == {"previousId": "a1"}


def test_group_is_named_by_its_id_and_page_by_its_name() -> None:
    assert parse_item(type="group", groupId="club").name == "club"
    row = parse_item(type="page", name="Home", category="Shop", properties={"url": "/"})
    assert (row.name, json.loads(bytes(row.properties))) == ("Home", {"category": "Shop", "url": "/"})


def test_order_event_has_products_value_and_currency() -> None:
    products = [{"product_id": "p1"}, {"sku": "s2"}, {"product_id": "p1"}, {"id": 3}, "p4", {}]
    row = parse_item(event="Order Completed", properties={"products": products, "revenue": "25.999", "currency": "eur"})
    assert row.product_ids == ["p1", "s2", "3"]
    assert (row.value, row.currency) == (Decimal("26.00"), "EUR")


def test_product_ids_are_read_from_a_ga4_item_list() -> None:
    row = parse_item(event="view_item", properties={"items": [{"item_id": "p9"}], "value": 3})
    assert (row.product_ids, row.value) == (["p9"], Decimal("3.00"))


@pytest.mark.parametrize(
    ("event", "meaning"), [("view_item", "view"), ("Order Completed", "purchase"), ("Coupon Applied", "")]
)
def test_only_interactions_with_products_have_a_meaning(event: str, meaning: str) -> None:
    assert parse(json.dumps({"type": "track", "event": event, "userId": "u"}).encode()).meaning == meaning


@pytest.mark.parametrize("value", ["a lot", 1e300, "NaN", "-Infinity", True, None, [], "1e15", ""])
def test_invalid_value_is_omitted_and_the_event_is_stored(value: Any) -> None:
    assert parse_item(properties={"value": value}).value is None


FIELDS = [
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "properties",
    "traits",
    "context",
    "timestamp",
    "sentAt",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=3)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES))
def test_any_item_becomes_a_row_or_is_rejected(item: dict[str, Any]) -> None:
    raw = json.dumps({"type": "track", "event": "e", "userId": "u", **item}).encode()
    with contextlib.suppress(ItemError):
        row = parse(raw).stored
        assert row.message_id
        assert row.user_id or row.anonymous_id
        assert row.occurred_at.tzinfo is not None


def test_ids_lose_the_white_space_around_them_and_whole_numbers_their_decimals() -> None:
    row = parse_item(userId=" Ada ", messageId="m1\n", properties={"products": [{"id": "tea "}, {"id": 12345.0}]})
    assert (row.user_id, row.message_id, row.product_ids) == ("Ada", "m1", ["tea", "12345"])
    assert parse_item(userId="u1", anonymousId="  ").anonymous_id == ""
