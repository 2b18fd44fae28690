"""Rows from before personal data was recognized are encrypted once, also if the command is killed in between."""

import json
from contextlib import suppress
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from customers.events.models import Event, RejectedEvent
from customers.events.personal_backlog import SealedCounts, seal_backlog
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, IdentityMerge
from customers.identity.personal_data.personal_traits import seal_personal, unseal_personal
from customers.processing.routing import unseal_properties
from tests.makers import NOON, make_customer, make_source

pytestmark = pytest.mark.django_db

PROPERTIES = {"name": "Kettle", "customer": {"name": "Anna"}, "note": "to anna@shop.example"}
TRAITS = {"微信号": "wx-anna", "plan": "gold"}


def store_plain_rows() -> None:
    """Store rows as earlier versions did."""
    source = make_source()
    fields = {"source": source, "occurred_at": NOON, "received_at": NOON, "anonymous_id": "a1", "product_ids": []}
    for number, properties in enumerate(
        (PROPERTIES, {**PROPERTIES, "$personal": seal_personal({"email": "bo@shop.example"})}, {"product_id": "p1"})
    ):
        context = {"ip": "10.1.2.3", "locale": "de"} if number < 2 else {}
        Event.objects.create(
            message_id=f"m{number}", type="track", name="E", properties=properties, context=context, **fields
        )
    RejectedEvent.objects.create(
        source=source, payload="{}", code="c", reason="userId is 'anna@shop.example'", received_at=NOON
    )
    kept, merged = make_customer("u1"), make_customer("u2")
    set_raw_traits(merged)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])


def set_raw_traits(customer: Customer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE identity_customer SET traits = %s WHERE id = %s", [json.dumps(TRAITS), customer.pk])


def read_everything() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT json_agg(e) FROM events_event e)::text || (SELECT json_agg(c) FROM identity_customer c)::text"
            " || (SELECT json_agg(m) FROM identity_identitymerge m)::text || (SELECT json_agg(reason) FROM events_rejectedevent)::text"
        )
        return str(cursor.fetchone()[0])


def assert_is_sealed() -> None:
    everything = read_everything()
    assert not any(text in everything for text in ("Anna", "anna", "bo@shop", "10.1.2.3"))
    first, second, third = Event.objects.order_by("message_id")
    assert unseal_properties(first.properties) == PROPERTIES
    assert unseal_properties(second.properties) == {**PROPERTIES, "email": "bo@shop.example"}
    assert unseal_personal(first.properties["$personal"])["$context"] == {"ip": "10.1.2.3"}
    assert (first.context, third.properties) == ({"locale": "de"}, {"product_id": "p1"})
    assert Customer.objects.get().traits == TRAITS
    assert RejectedEvent.objects.get().reason == "userId is •••"


def test_stored_rows_are_encrypted_once() -> None:
    store_plain_rows()
    assert "anna" in read_everything()
    assert seal_backlog() == SealedCounts(events=2, customers=1, merges=1, rejected_events=1)
    assert_is_sealed()
    before = read_everything()
    assert seal_backlog() == SealedCounts(0, 0, 0, 0)
    assert read_everything() == before


@pytest.mark.parametrize("batches", range(1, 7))
def test_interrupted_work_continues(batches: int) -> None:
    store_plain_rows()
    remaining = [batches]

    def interrupt(*_numbers: Any) -> None:
        remaining[0] -= 1
        if not remaining[0]:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        seal_backlog(progress=interrupt, batch=1)
    call_command("seal_personal_data")
    assert_is_sealed()
    assert IdentityMerge.objects.get().moved["customer"]["traits"]["plan"] == "gold"
