"""Personal data of an event is encrypted at any depth, and everything else is stored as it was sent."""

import json
from typing import Any

import pytest

from customers.events.collector.ingest import ingest_items
from customers.events.models import Event, RejectedEvent, Source
from customers.events.personal_parts import encode_sealed, merge_personal_parts, take_personal_parts
from customers.identity.personal_data.personal_traits import unseal_personal
from customers.processing.routing import unseal_properties
from tests.makers import NOON, make_source

PLANTED = ("anna@shop.example", "13800138000", "wx-anna", "Anna", "Hauptstr")
PROPERTIES: dict[str, Any] = {
    "product_id": "13912345678",
    "name": "Blue kettle",
    "price": 39.9,
    "手机号": "13800138000",
    "note": "call +86 138 0013 8000",
    "customer": {"name": "Anna", "plan": "gold", "contact": {"wechat": "wx-anna"}},
    "products": [{"product_id": "p1", "name": "Kettle", "gift_note": "to anna@shop.example"}],
    "tags": ["gift", "anna@shop.example"],
    "shippingAddress": {"street": "Hauptstr. 1", "city": "Graz"},
}
CONTEXT: dict[str, Any] = {
    "library": {"name": "js"},
    "page": {"path": "/cart", "url": "https://shop.example/cart?email=anna%40shop.example"},
    "ip": "10.1.2.3",
    "traits": {"nickname": "Anna", "plan": "gold"},
}


def copy_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def ingest(source: Source, **item: Any) -> Event:
    item = {"type": "track", "event": "Product Added", "anonymousId": "a1", **item}
    result = ingest_items(
        source=source, items=[json.dumps(item).encode()], call_type=None, sent_at=None, received_at=NOON
    )
    assert result.rejected == []
    return Event.objects.get(message_id=result.rows[0].stored.message_id)


@pytest.mark.django_db
def test_nested_personal_data_is_stored_encrypted_only() -> None:
    event = ingest(make_source(), properties=PROPERTIES, context=CONTEXT)
    stored = json.dumps([event.properties, event.context], ensure_ascii=False)
    assert not any(text in stored for text in (*PLANTED, "10.1.2.3", "138 0013"))
    assert event.product_ids == ["13912345678", "p1"]
    assert event.properties["customer"] == {"plan": "gold"}
    assert event.properties["products"] == [{"product_id": "p1", "name": "Kettle"}]
    assert event.properties["tags"] == ["gift", None]
    assert event.context == {"library": {"name": "js"}, "page": {"path": "/cart"}, "traits": {"plan": "gold"}}
    # whoever may see it, and orders and reviews, get everything back
    unsealed = unseal_properties(event.properties)
    assert unsealed.pop("nickname") == "Anna"
    assert unsealed == PROPERTIES
    context = unseal_personal(event.properties["$personal"])["$context"]
    assert context == {"page": {"url": CONTEXT["page"]["url"]}, "ip": "10.1.2.3"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "properties",
    [
        {"product_id": "4006381333931", "order_id": "13800138000", "total": 13800138000, "ean": "4006381333931"},
        {"created": 1732635000123, "sku": "SKU-13912345678", "uuid": "550e8400-e29b-41d4-a716-446655440000"},
        {"name": "Phone case", "email_verified": True, "category": "mobile", "phone_model": "X 15 Pro"},
        {"products": [{"id": "1", "name": "Tea", "address": ""}], "coordinates": [[1, 2], [3]]},
    ],
)
def test_ordinary_event_is_stored_as_sent(properties: dict[str, Any]) -> None:
    assert ingest(make_source(), properties=properties).properties == properties


@pytest.mark.django_db
def test_traits_are_searched_too() -> None:
    traits = {"email": "anna@shop.example", "company": {"name": "Leaf", "owner": {"name": "Anna"}}, "微信": "wx-anna"}
    event = ingest(make_source(), type="identify", traits={**traits, "plan": "gold"})
    assert event.properties.keys() == {"company", "plan", "$personal"}
    assert event.properties["company"] == {"name": "Leaf", "owner": {}}
    assert unseal_properties(event.properties) == {**traits, "plan": "gold"}


@pytest.mark.django_db
def test_alias_keeps_an_earlier_id_that_is_an_address() -> None:
    event = ingest(make_source(), type="alias", userId="u1", previousId="anna@shop.example")
    assert event.properties == {"previousId": "anna@shop.example"}


def test_anonymous_event_keeps_no_personal_part() -> None:
    properties, context = encode_sealed("track", copy_json(PROPERTIES), copy_json(CONTEXT), is_anonymous=True)
    stored = (properties + context).decode()
    assert "$personal" not in stored
    assert not any(text in stored for text in PLANTED)


def test_parts_are_merged_again() -> None:
    properties, context = copy_json(PROPERTIES), copy_json(CONTEXT)
    personal = take_personal_parts("track", properties, context)
    assert merge_personal_parts(properties, personal) == {**PROPERTIES, "nickname": "Anna"}


@pytest.mark.django_db
def test_reason_of_a_rejected_event_has_no_personal_data() -> None:
    item = {"type": "track", "event": 7, "userId": "u1", "timestamp": "anna@shop.example"}
    items = [json.dumps(item | extra).encode() for extra in ({}, {"event": "E"}, {"event": ["anna@shop.example"]})]
    ingest_items(source=make_source(), items=items, call_type=None, sent_at=None, received_at=NOON)
    reasons = list(RejectedEvent.objects.values_list("reason", flat=True))
    assert len(reasons) == 3
    assert not any("anna" in reason for reason in reasons)
