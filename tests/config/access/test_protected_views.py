"""The metrics and the API documentation are closed to the public."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.access.models import ApiKey
from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.customers.events.makers import log_in_as

pytestmark = pytest.mark.django_db

METRICS, SCHEMA, DOCS = "/metrics", "/api/v1/schema/", "/api/v1/docs/"
OUTSIDE = "203.0.113.9"


@pytest.fixture(autouse=True)
def private(settings: Any) -> None:
    settings.PUBLIC_API_DOCS, settings.METRICS_TOKEN, settings.TRUSTED_PROXY_COUNT = False, "", 0


def get_metrics(client: Client, **options: Any) -> int:
    response = client.get(METRICS, **options)
    assert (b"process_" in response.content or b"django_http" in response.content) == (response.status_code == 200)
    return response.status_code


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_metrics_are_shown_to_clients_on_this_machine(address: str) -> None:
    assert get_metrics(Client(), REMOTE_ADDR=address) == 200


@pytest.mark.parametrize("address", [OUTSIDE, "2001:db8::1", "10.0.0.5", ""])
def test_metrics_are_closed_to_the_network(address: str) -> None:
    response = Client().get(METRICS, REMOTE_ADDR=address)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert "METRICS_TOKEN" in response.text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_metrics_are_closed_to_whoever_comes_through_a_proxy_on_this_machine(header: str) -> None:
    assert get_metrics(Client(), headers={header: "127.0.0.1"}) == 401


@pytest.mark.parametrize(
    "setting", [("TRUSTED_PROXY_COUNT", 1), ("SECURE_PROXY_SSL_HEADER", ("HTTP_X_PROTO", "https"))]
)
def test_with_a_proxy_in_front_nobody_is_on_this_machine(settings: Any, setting: tuple[str, Any]) -> None:
    setattr(settings, *setting)
    assert get_metrics(Client()) == 401


def test_with_a_token_only_the_token_opens_the_metrics(settings: Any) -> None:
    settings.METRICS_TOKEN = "scrape-me"
    assert get_metrics(Client()) == 401
    assert get_metrics(make_bearer_client("scrape-you")) == 401
    assert get_metrics(make_bearer_client("scrape-mé")) == 401
    assert get_metrics(make_bearer_client("scrape-me"), REMOTE_ADDR=OUTSIDE) == 200


def test_operators_see_the_metrics_and_analysts_do_not() -> None:
    assert get_metrics(log_in_as("Operator"), REMOTE_ADDR=OUTSIDE) == 200
    assert get_metrics(log_in_as("Analyst"), REMOTE_ADDR=OUTSIDE) == 401


def test_an_api_key_does_not_open_the_metrics() -> None:
    assert get_metrics(make_client("customers:read"), REMOTE_ADDR=OUTSIDE) == 401


def test_the_api_document_is_closed_to_the_public() -> None:
    response = Client().get(SCHEMA)
    assert response.status_code == 401
    assert b"/api/v1/customers/" not in response.content
    assert make_bearer_client("sk_live_unknown").get(SCHEMA).status_code == 401


def test_a_visitor_of_the_api_reference_is_sent_to_the_log_in_page() -> None:
    response = Client().get(DOCS)
    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={DOCS}")


def test_secret_keys_and_back_office_users_read_the_api_document() -> None:
    for client in (make_client("recommendations:read"), log_in_as("Analyst")):
        response = client.get(SCHEMA)
        assert (response.status_code, b"/api/v1/customers/" in response.content) == (200, True)
        assert client.get(DOCS).status_code == 200


def test_publishable_keys_and_customers_of_the_shop_do_not_read_the_api_document() -> None:
    publishable = make_bearer_client(make_key(kind=ApiKey.Kind.PUBLISHABLE)[1])
    customer = Client()
    customer.force_login(User.objects.create_user("customer"))
    assert publishable.get(SCHEMA).status_code == 403
    assert customer.get(SCHEMA).status_code == 401


def test_the_api_document_can_be_published(settings: Any) -> None:
    settings.PUBLIC_API_DOCS = True
    assert [Client().get(path).status_code for path in (SCHEMA, DOCS)] == [200, 200]
