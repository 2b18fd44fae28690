"""What still arrives of an erased person creates nobody, and is counted without the person."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection

from customers.events.collector.ingest import ingest_items
from customers.events.models import Event, Outbox
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.erased.blocked_identifiers import (
    block_identifiers,
    blocked_index,
    find_blocked_keys,
    release_identifiers,
)
from customers.identity.models import Customer
from customers.identity.personal_data.hashing import hash_email
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from customers.identity.resolution.user_ids import resolve_user_ids
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db
EMAIL = "ada@mail.example"


@pytest.fixture(autouse=True)
def blocked() -> Iterator[None]:
    block_identifiers([("user_id", "ada"), ("anonymous_id", "browser"), ("email_hash", hash_email(EMAIL))], at=NOON)
    blocked_index.expire()
    yield
    blocked_index.expire()


def make_item(**fields: object) -> bytes:
    return json.dumps(
        {"type": "track", "event": "Order Completed", "messageId": str(fields.get("userId")), **fields}
    ).encode()


def test_a_late_event_is_counted_without_the_person(valkey: redis.Redis) -> None:
    items = [
        make_item(
            userId="ada", anonymousId="browser", properties={"order_id": "1", "email": EMAIL}, context={"ip": "::1"}
        ),
        make_item(userId="bob"),
    ]
    result = ingest_items(source=make_source(), items=items, call_type=None, sent_at=None, received_at=NOON)
    assert [row.warning for row in result.rows] == ["erased_person", ""]
    event, other = Event.objects.order_by("id")
    assert (event.user_id, event.anonymous_id, event.context, other.user_id) == ("", "", {}, "bob")
    assert event.properties == {"order_id": "1"}
    assert not valkey.keys("recent:*ada*")


def test_a_late_unsubscribe_keeps_nothing_of_the_person_either(valkey: redis.Redis) -> None:
    items = [make_item(userId="ada", event="Email Unsubscribed")]
    ingest_items(source=make_source(), items=items, call_type=None, sent_at=None, received_at=NOON)
    assert Outbox.objects.get().user_id == ""


@pytest.mark.parametrize(
    "event",
    [
        IdentityEvent(1, "m1", "identify", NOON, "ada", "new-browser", email=EMAIL),
        IdentityEvent(1, "m2", "track", NOON, "", "browser"),
    ],
)
def test_no_event_creates_the_customer_again(event: IdentityEvent) -> None:
    assert resolve_people(events=[event], at=NOON).customer_ids == [None]
    assert not Customer.objects.exists()


def test_another_customer_cannot_take_the_address() -> None:
    resolve_people(events=[IdentityEvent(1, "m", "identify", NOON, "bob", "", email=EMAIL)], at=NOON)
    customer = Customer.objects.get()
    assert list(customer.identifiers.values_list("kind", "value")) == [("user_id", "bob")]


def test_writes_of_the_shop_are_rejected_with_the_reason() -> None:
    changes = [CustomerChange("ada", {"name": "Ada"}), CustomerChange("bob", {"email": EMAIL}), CustomerChange("eve")]
    result = upsert_customers(changes=changes, seen_at=NOON)
    assert [[(problem.field, problem.code) for problem in item.problems] for item in result.results] == [
        [("user_id", "erased")],
        [("email", "erased")],
        [],
    ]
    assert resolve_user_ids(user_ids=["ada"], seen_at=NOON).customer_ids == {}


def test_a_released_person_may_come_back() -> None:
    assert find_blocked_keys([("user_id", "ada"), ("user_id", "bob")]) == {("user_id", "ada")}
    assert release_identifiers([("user_id", "ada"), ("user_id", "bob")], at=NOON, by="officer") == 1
    assert find_blocked_keys([("user_id", "ada")]) == set()
    assert resolve_user_ids(user_ids=["ada"], seen_at=NOON).customer_ids.keys() == {"ada"}
    assert block_identifiers([("user_id", "ada")], at=NOON) == 1


def test_a_running_collector_notices_who_is_erased_again(blocked: None) -> None:
    def find_ada() -> list[int]:
        blocked_index.expire()
        connection.ensure_connection()
        blocked_index.refresh(connection.connection)
        return blocked_index.find_any([["user_id:ada"]])

    assert find_ada() == [0]
    release_identifiers([("user_id", "ada")], at=NOON, by="officer")
    release_identifiers([("anonymous_id", "browser")], at=NOON + timedelta(days=1), by="officer")
    assert find_ada() == []
    assert block_identifiers([("user_id", "ada")], at=NOON + timedelta(days=2)) == 1
    assert find_ada() == [0]


def test_a_command_lets_the_person_come_back() -> None:
    with pytest.raises(CommandError, match="'ada' is not KIND=VALUE"):
        call_command("release_identifiers", "ada")
    output = StringIO()
    call_command("release_identifiers", "user_id=ada", f"email={EMAIL}", "user_id=nobody", stdout=output)
    assert "2 of 3 identifiers" in output.getvalue()
    keys = [("user_id", "ada"), ("email_hash", hash_email(EMAIL)), ("anonymous_id", "browser")]
    assert find_blocked_keys(keys) == {("anonymous_id", "browser")}


def test_identifiers_stay_blocked_while_an_older_hash_key_is_in_use(settings: Any) -> None:
    settings.HASH_KEYS = ("a-newer-key-" * 4, *settings.HASH_KEYS)
    assert find_blocked_keys([("user_id", "ada"), ("user_id", "bob")]) == {("user_id", "ada")}
