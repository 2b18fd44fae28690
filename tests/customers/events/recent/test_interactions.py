"""Recent interactions in Valkey."""

import json
from typing import Any

import pytest

from customers.events.collector.ingest import parse_items
from customers.events.collector.parsing import EventRow, RequestContext
from customers.events.recent.interactions import (
    MAX_LINKED,
    MAX_RECENT,
    RETENTION_DAYS,
    VISITOR_MAX_DISMISSED,
    VISITOR_MAX_MEMBER_BYTES,
    VISITOR_MAX_RECENT,
    VISITOR_RETENTION_DAYS,
    format_recent_key,
    link_identifiers,
    read_recent_activity,
    read_recent_interactions,
    remember_interactions,
)
from customers.identity.consent.ledger import record_consent
from customers.identity.models import Consent
from tests.customers.events.recent.event_rows import make_event_row
from tests.makers import NOON, make_customer, make_identifier

DAY_MS = 86_400_000


def make_interaction(product_id: str, *, minutes: float = 0, meaning: str = "view", **fields: str) -> EventRow:
    ids = {"user_id": "u1", "anonymous_id": "", **fields}
    return make_event_row(product_id, minutes=minutes, meaning=meaning, **ids)


def list_products(**identifier: str) -> list[str]:
    return [interaction.product_id for interaction in read_recent_interactions(identifiers=list(identifier.items()))]


def read_milliseconds(valkey: Any) -> int:
    """Return the time of Valkey's clock."""
    seconds, microseconds = valkey.time()
    return seconds * 1000 + microseconds // 1000


@pytest.mark.usefixtures("valkey")
def test_newest_interaction_comes_first_even_if_events_arrive_late() -> None:
    remember_interactions([make_interaction("p2", minutes=2), make_interaction("p3", minutes=3)])
    remember_interactions([make_interaction("p1", minutes=1)])
    assert list_products(user_id="u1") == ["p3", "p2", "p1"]


@pytest.mark.usefixtures("valkey")
def test_interactions_of_the_same_second_have_the_same_order_in_every_process() -> None:
    kinds = ["cart", "purchase", "view", "wishlist"]
    remember_interactions([make_interaction("p", meaning=kind) for kind in kinds])
    interactions = read_recent_interactions(identifiers=[("user_id", "u1")])
    assert [interaction.kind for interaction in interactions] == kinds[::-1]


@pytest.mark.usefixtures("valkey")
def test_type_and_time_are_read_unchanged() -> None:
    remember_interactions(
        [make_interaction("a:b c", meaning=kind, minutes=n) for n, kind in enumerate(("purchase", "cart"))]
    )
    interactions = read_recent_interactions(identifiers=[("user_id", "u1")])
    assert [(item.product_id, item.kind, item.at) for item in interactions] == [
        ("a:b c", "cart", NOON.timestamp() + 60),
        ("a:b c", "purchase", NOON.timestamp()),
    ]


@pytest.mark.usefixtures("valkey")
def test_a_late_event_says_when_it_was_received_and_a_clock_that_is_ahead_counts_from_the_receipt() -> None:
    for product_id, minutes in (("punctual", -0.25), ("late", -90), ("ahead", 600)):
        row = make_interaction(product_id, minutes=minutes)
        row.stored.received_at = NOON
        remember_interactions([row])
    replayed = make_interaction("replayed", minutes=-300)
    remember_interactions([replayed], stored_at=NOON)
    found = {item.product_id: item for item in read_recent_interactions(identifiers=[("user_id", "u1")])}
    noon = NOON.timestamp()
    assert [(found[name].at - noon, found[name].delay) for name in ("punctual", "late", "ahead", "replayed")] == [
        (-15, 0),
        (-5400, 5400),
        (0, 0),
        (-18000, 18000),
    ]


@pytest.mark.usefixtures("valkey")
def test_all_linked_identifiers_are_returned() -> None:
    remember_interactions([make_interaction("p1", anonymous_id="a1")])
    for kind, value in (("user_id", "u1"), ("anonymous_id", "a1")):
        names = read_recent_activity(identifiers=[(kind, value)]).names
        assert set(names) == {"user_id:u1", "anonymous_id:a1"}
    assert read_recent_activity(identifiers=[("anonymous_id", "a2")]).names == ["anonymous_id:a2"]


@pytest.mark.usefixtures("valkey")
def test_repeated_event_counts_once() -> None:
    for _time in range(2):
        remember_interactions([make_interaction("p1", anonymous_id="a1")])
    assert list_products(user_id="u1", anonymous_id="a1") == ["p1"]


def test_the_last_hundred_interactions_are_kept_for_ninety_days(valkey: Any) -> None:
    started = read_milliseconds(valkey)
    remember_interactions([make_interaction(f"p{number}", minutes=number) for number in range(MAX_RECENT + 30)])
    key = format_recent_key("user_id", "u1")
    assert valkey.zcard(key) == MAX_RECENT
    assert list_products(user_id="u1")[0] == f"p{MAX_RECENT + 29}"
    assert started <= valkey.pexpiretime(key) - RETENTION_DAYS * DAY_MS <= read_milliseconds(valkey)


def test_the_lists_of_visitors_are_short_and_expire_sooner(valkey: Any) -> None:
    started = read_milliseconds(valkey)
    visits = [make_visitor_interaction(f"p{number}", "a1", minutes=number) for number in range(VISITOR_MAX_RECENT + 9)]
    remember_interactions(visits[:15])
    remember_interactions(visits[15:])
    remember_interactions(
        [
            make_interaction(f"d{number}", meaning="dismissal", user_id="", anonymous_id="a1", minutes=number)
            for number in range(VISITOR_MAX_DISMISSED + 9)
        ]
    )
    assert list_products(anonymous_id="a1") == [f"p{number}" for number in range(VISITOR_MAX_RECENT + 8, 8, -1)]
    assert valkey.zcard("dismissed:anonymous_id:a1") == VISITOR_MAX_DISMISSED
    for key in ("recent:anonymous_id:a1", "dismissed:anonymous_id:a1"):
        assert started <= valkey.pexpiretime(key) - VISITOR_RETENTION_DAYS * DAY_MS <= read_milliseconds(valkey)


@pytest.mark.parametrize("letter", ["x", "茶", "😀"])
def test_product_ids_that_are_too_long_are_not_remembered(valkey: Any, letter: str) -> None:
    ids = [letter * (size // len(letter.encode())) for size in (80, 96, 120, 208, 240)]
    remember_interactions([make_visitor_interaction(product_id, "a1") for product_id in ids])
    remember_interactions([make_interaction(product_id) for product_id in ids])
    remember_interactions(
        [make_interaction(product_id, meaning="dismissal", user_id="", anonymous_id="a1") for product_id in ids]
    )
    limit = VISITOR_MAX_MEMBER_BYTES - 8  # of a product id: letter, time and colon come before it
    assert set(list_products(anonymous_id="a1")) == {text for text in ids if len(text.encode()) <= limit}
    assert set(list_products(user_id="u1")) == set(ids[:4])
    assert valkey.zcard("dismissed:anonymous_id:a1") == 2


def test_a_flood_of_visitors_takes_at_most_twice_its_bytes_in_valkey(valkey: Any) -> None:
    source = RequestContext(1, NOON, is_trusted=False)
    floods: dict[str, list[dict[str, Any]]] = {
        "one event of each visitor": [{"p": [f"p{n % 10}"], "a": f"a{n}"} for n in range(2000)],
        "long ids": [{"p": [f"{n % 40:02}{'x' * 88}"], "a": f"a{n % 60}"} for n in range(2000)],
        "ids that are too long": [{"p": ["x" * 200], "a": f"a{n}"} for n in range(2000)],
        "many products": [{"p": [f"p{k}-{'x' * 20}" for k in range(300)], "a": f"a{n}"} for n in range(40)],
        "dismissals": [{"p": [f"d{k}-{'x' * 20}" for k in range(300)], "a": f"a{n}", "e": "Product Dismissed"} for n in range(40)],
    }  # fmt: skip
    for name, flood in floods.items():
        valkey.flushdb()
        items = [
            json.dumps(
                {
                    "type": "track",
                    "event": event.get("e", "Product Viewed"),
                    "anonymousId": event["a"],
                    "properties": {"sku": event["p"][0]}
                    if len(event["p"]) == 1
                    else {"products": [{"id": product_id} for product_id in event["p"]]},
                },
                separators=(",", ":"),
            ).encode()
            for event in flood
        ]
        rows, rejected = parse_items(enumerate(items), source)
        assert not rejected
        remember_interactions(rows)
        used = sum(valkey.memory_usage(key) or 0 for key in valkey.scan_iter())
        assert used <= 2 * sum(map(len, items)), name


def test_event_that_is_not_an_interaction_writes_nothing(valkey: Any) -> None:
    remember_interactions([make_interaction("p1", meaning="")])
    assert valkey.keys("*") == []


def test_no_identifiers_have_no_interactions() -> None:
    assert read_recent_interactions(identifiers=[]) == []


def make_user_interaction(product_id: str, user_id: str, anonymous_id: str, *, minutes: float = 0) -> EventRow:
    return make_interaction(product_id, user_id=user_id, anonymous_id=anonymous_id, minutes=minutes)


def make_visitor_interaction(product_id: str, anonymous_id: str, *, minutes: float = 0) -> EventRow:
    return make_interaction(product_id, user_id="", anonymous_id=anonymous_id, minutes=minutes)


@pytest.mark.usefixtures("valkey")
def test_history_of_another_device_is_included_after_an_event_with_both_ids() -> None:
    remember_interactions([make_visitor_interaction("on-the-phone", "phone", minutes=1)])
    remember_interactions([make_visitor_interaction("on-the-laptop", "laptop", minutes=2)])
    remember_interactions([make_user_interaction("logged-in", "u1", "phone", minutes=3)])
    assert list_products(anonymous_id="laptop") == ["on-the-laptop"]
    remember_interactions([make_user_interaction("at-last", "u1", "laptop", minutes=4)])
    expected = ["at-last", "logged-in", "on-the-laptop", "on-the-phone"]
    assert (
        list_products(anonymous_id="laptop")
        == list_products(anonymous_id="phone")
        == list_products(user_id="u1")
        == expected
    )


@pytest.mark.usefixtures("valkey")
def test_users_of_the_same_device_do_not_share_interactions() -> None:
    remember_interactions(
        [make_visitor_interaction("before", "shared"), make_user_interaction("first", "u1", "shared", minutes=1)]
    )
    remember_interactions([make_user_interaction("second", "u2", "shared", minutes=2)])
    assert list_products(user_id="u2", anonymous_id="shared") == list_products(user_id="u2") == ["second"]
    assert list_products(user_id="u1", anonymous_id="shared") == ["first", "before"]


@pytest.mark.usefixtures("valkey")
def test_two_users_in_one_call_do_not_share_a_visitor() -> None:
    remember_interactions(
        [make_user_interaction("first", "u1", "shared"), make_user_interaction("second", "u2", "shared", minutes=1)]
    )
    assert list_products(user_id="u1", anonymous_id="shared") == ["first"]
    assert list_products(user_id="u2", anonymous_id="shared") == ["second"]


@pytest.mark.usefixtures("valkey")
def test_alias_links_its_two_ids() -> None:
    remember_interactions([make_visitor_interaction("before", "old-id")])
    alias = make_interaction("", user_id="u1", anonymous_id="", meaning="")
    alias.previous_id = "old-id"
    remember_interactions([alias])
    assert list_products(user_id="u1") == ["before"]


@pytest.mark.usefixtures("valkey")
def test_chain_of_visitors_is_linked_to_the_user() -> None:
    link_identifiers(groups=[[("anonymous_id", "a1"), ("anonymous_id", "a2")]])
    remember_interactions(
        [make_visitor_interaction("first", "a1"), make_visitor_interaction("second", "a2", minutes=1)]
    )
    remember_interactions([make_user_interaction("third", "u1", "a2", minutes=2)])
    assert list_products(user_id="u1") == list_products(anonymous_id="a1") == ["third", "second", "first"]


@pytest.mark.usefixtures("valkey")
def test_links_of_the_processor_override_links_of_events() -> None:
    remember_interactions(
        [make_visitor_interaction("before", "shared"), make_user_interaction("first", "u1", "shared", minutes=1)]
    )
    link_identifiers(groups=[[("user_id", "u2"), ("anonymous_id", "shared")]])
    assert list_products(user_id="u2") == ["before"]
    assert list_products(user_id="u1") == list_products(user_id="u1", anonymous_id="shared") == ["first"]


@pytest.mark.usefixtures("valkey")
def test_two_user_ids_linked_by_the_processor_are_read_together() -> None:
    remember_interactions(
        [make_user_interaction("first", "u1", "a1"), make_user_interaction("second", "u2", "a2", minutes=1)]
    )
    link_identifiers(groups=[[("user_id", "u1"), ("user_id", "u2"), ("anonymous_id", "a1"), ("anonymous_id", "a2")]])
    assert list_products(user_id="u1") == list_products(anonymous_id="a2") == ["second", "first"]


def test_links_are_restored_after_valkey_was_flushed(valkey: Any) -> None:
    remember_interactions([make_user_interaction("first", "u1", "a1")])
    valkey.flushdb()
    remember_interactions([make_user_interaction("second", "u1", "a1")])
    assert list_products(anonymous_id="a1") == ["second"]


def test_identifiers_above_the_maximum_are_not_linked(valkey: Any) -> None:
    for number in range(MAX_LINKED + 10):
        remember_interactions([make_user_interaction(f"p{number}", "u1", f"a{number}", minutes=number)])
    [group] = list(valkey.keys("group:*"))
    assert valkey.scard(group) == MAX_LINKED
    assert valkey.ttl(group) > 0
    assert list_products(anonymous_id=f"a{MAX_LINKED + 5}") == []
    assert len(list_products(user_id="u1")) == MAX_LINKED + 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("purpose", [Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION])
def test_interactions_are_deleted_when_consent_is_withdrawn(purpose: str) -> None:
    customer = make_customer("u1")
    make_identifier(customer, "a1", kind="anonymous_id")
    remember_interactions([make_interaction("p1"), make_interaction("p2", user_id="", anonymous_id="a1")])
    remember_interactions([make_interaction("p3", user_id="u2")])
    record_consent(customer=customer, purpose=Consent.Purpose.EMAIL, status="withdrawn", recorded_at=NOON)
    assert list_products(user_id="u1") == ["p1"]
    record_consent(customer=customer, purpose=purpose, status="withdrawn", recorded_at=NOON)
    assert list_products(user_id="u1") == []
    assert list_products(anonymous_id="a1") == []
    assert list_products(user_id="u2") == ["p3"]
