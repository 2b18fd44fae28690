"""The page of the events and properties that have arrived lately."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from customers.events.schema_seen import SeenProperty, describe_seen_events
from tests.customers.events.makers import make_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db
SCHEMA = reverse("admin:events_schema")


def test_events_are_listed_with_the_share_and_type_of_their_properties(admin_client: Client) -> None:
    assert "No events yet" in admin_client.get(SCHEMA).text
    web = make_source("web")
    make_event(web, name="Product Viewed", properties={"product_id": "tea", "price": 4.5})
    make_event(web, name="Product Viewed", properties={"product_id": "pot", "$personal": "sealed"})
    make_event(make_source("app"), name="Order Completed", properties={})
    viewed, completed = describe_seen_events()
    assert (viewed.name, viewed.source, viewed.count) == ("Product Viewed", "web", 2)
    assert viewed.properties == [
        SeenProperty("product_id", ("string",), 1.0),
        SeenProperty("price", ("number",), 0.5),
    ]
    assert (completed.source, completed.properties) == ("app", [])
    page = admin_client.get(SCHEMA).text
    assert "product_id (string, 100%), price (number, 50%)" in page
    assert "sealed" not in page


def test_page_needs_the_permission_to_view_events(client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("clerk", password="x", is_staff=True))
    assert client.get(SCHEMA).status_code == 403
