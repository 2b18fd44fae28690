"""A repeated write is executed once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.db import OperationalError, connection
from django.test import Client

from config.access import idempotency
from config.access.idempotency import purge_idempotent_responses
from config.access.models import IdempotentResponse
from customers.identity.models import Consent
from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.makers import make_customer
from tests.waiting import DEADLINE_SECONDS

ADDRESS = "/api/v1/customers/u1/consents/"
ENTRY = {"purpose": "email", "status": "granted"}


def post(client: Client, entry: dict[str, str] = ENTRY, key: str = "k1", address: str = ADDRESS) -> Any:
    return client.post(address, entry, "application/json", headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_a_repeated_request_gets_the_first_response_unchanged() -> None:
    make_customer("u1")
    client = make_client("customers:write")
    first, second = post(client), post(client)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert second["Content-Type"] == "application/json"
    assert Consent.objects.count() == 1


@pytest.mark.django_db
def test_the_same_key_with_another_request_is_a_422() -> None:
    make_customer("u1")
    make_customer("u2")
    client = make_client("customers:write")
    post(client)
    for response in (
        post(client, {"purpose": "sms", "status": "granted"}),
        post(client, address="/api/v1/customers/u2/consents/"),
    ):
        assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert Consent.objects.count() == 1


@pytest.mark.django_db
def test_two_callers_can_use_the_same_key() -> None:
    make_customer("u1")
    for _caller in range(2):
        assert "Idempotency-Replayed" not in post(make_client("customers:write"))
    assert Consent.objects.count() == 2


@pytest.mark.django_db
def test_an_invalid_request_is_replayed_and_a_forbidden_one_is_not_stored() -> None:
    make_customer("u1")
    client = make_client("customers:write")
    invalid = {"purpose": "spam", "status": "granted"}
    assert [post(client, invalid).status_code for _time in range(2)] == [400, 400]
    assert post(client, invalid)["Content-Type"] == "application/problem+json"
    assert post(make_client("customers:read"), key="k2").status_code == 403
    assert IdempotentResponse.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "ümlaut"])
def test_an_invalid_key_is_named(key: str) -> None:
    make_customer("u1")
    response = post(make_client("customers:write"), key=key)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not Consent.objects.exists()


@pytest.mark.django_db
def test_a_read_ignores_the_key() -> None:
    make_customer("u1")
    response = make_client("customers:read").get(ADDRESS, headers={"Idempotency-Key": "k1"})
    assert response.status_code == 200
    assert not IdempotentResponse.objects.exists()


@pytest.mark.django_db
def test_old_responses_are_purged() -> None:
    make_customer("u1")
    client = make_client("customers:write")
    post(client)
    assert purge_idempotent_responses(before=datetime.now(UTC) - timedelta(hours=24)) == 0
    assert purge_idempotent_responses(before=datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert "Idempotency-Replayed" not in post(client)


@pytest.mark.django_db(transaction=True)
def test_a_failure_after_the_write_rolls_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    make_customer("u1")
    client = make_client("customers:write")

    def fail(*_arguments: Any) -> None:
        raise OperationalError("the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "store_response", fail)
        assert post(client).status_code == 503
    assert not Consent.objects.exists()
    assert post(client).status_code == 201
    assert Consent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_in_progress_is_a_409() -> None:
    make_customer("u1")
    api_key, plain = make_key("customers:write")
    is_locked, may_release = threading.Event(), threading.Event()

    def hold_lock() -> None:
        from django.db import connections, transaction

        with transaction.atomic():
            assert idempotency.acquire_lock(f"key:{api_key.pk}", "k1")
            is_locked.set()
            may_release.wait(DEADLINE_SECONDS)
        connections.close_all()

    thread = threading.Thread(target=hold_lock)
    thread.start()
    assert is_locked.wait(DEADLINE_SECONDS)
    response = post(make_bearer_client(plain))
    may_release.set()
    thread.join()
    assert (response.status_code, response["Content-Type"]) == (409, "application/problem+json")
    assert post(make_bearer_client(plain)).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_over_http_write_once(live_server: Any) -> None:
    make_customer("u1")
    _api_key, plain = make_key("customers:write")
    headers = {"Authorization": f"Bearer {plain}", "Idempotency-Key": "k1", "Content-Type": "application/json"}

    def send(_number: int) -> int:
        return requests.post(
            live_server.url + ADDRESS, data=json.dumps(ENTRY), headers=headers, timeout=300
        ).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(12)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert Consent.objects.count() == 1
    connection.close()
