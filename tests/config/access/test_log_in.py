"""Limits of failed log-ins per user and address, and per address over all users."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from config.access.log_in import get_request_address
from tests.config.access.staff import enter_password, make_staff

pytestmark = pytest.mark.django_db
LIMIT = 8


@pytest.fixture(autouse=True)
def low_limit(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.LOGIN_FAILURES_PER_ADDRESS = LIMIT


def fail(
    username: str, *, address: str = "198.51.100.7", forwarded: str = "", client: Client | None = None
) -> HttpResponse:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    fields = {"username": username, "password": "wrong"}
    return (client or Client()).post("/admin/login/", fields, headers=headers, REMOTE_ADDR=address)


def try_users(**parameters: Any) -> list[int]:
    return [fail(f"user-{number}", **parameters).status_code for number in range(LIMIT + 1)]


def test_many_user_names_from_one_address_are_limited() -> None:
    user = make_staff()
    assert try_users() == [200] * (LIMIT - 1) + [429] * 2
    response = Client().post(
        "/admin/login/",
        {"username": user.username, "password": "a-long-password-for-tests"},
        REMOTE_ADDR="198.51.100.7",
    )
    assert response.status_code == 429
    assert response["Retry-After"] == "900"
    assert "15 minutes" in response.text
    assert enter_password(Client(), user).status_code == 302  # another address


def test_a_user_is_locked_out_from_the_attacking_address_only(settings: Any) -> None:
    user = make_staff()
    statuses = [fail(user.username).status_code for _number in range(settings.AXES_FAILURE_LIMIT)]
    assert statuses[-1] == 429
    assert enter_password(Client(), user).status_code == 302


def test_a_claimed_address_is_ignored_without_a_proxy(settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    statuses = [fail(f"user-{number}", forwarded=f"203.0.113.{number}").status_code for number in range(LIMIT)]
    assert statuses[-1] == 429


def test_behind_a_proxy_the_address_that_it_saw_counts(settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    spoofed = [
        fail(f"user-{number}", address="10.0.0.1", forwarded=f"203.0.113.{number}, 198.51.100.7").status_code
        for number in range(LIMIT)
    ]
    assert spoofed[-1] == 429
    other = fail("someone", address="10.0.0.1", forwarded="198.51.100.7, 198.51.100.8")
    assert other.status_code == 200


def test_addresses_of_one_ipv6_network_count_together() -> None:
    statuses = [fail(f"user-{number}", address=f"2001:db8:1:2::{number + 1:x}").status_code for number in range(LIMIT)]
    assert statuses[-1] == 429
    assert fail("someone", address="2001:db8:1:3::1").status_code == 200


def test_a_correct_log_in_of_the_attacker_does_not_reset_the_count_of_the_address() -> None:
    attacker = make_staff("attacker")
    for number in range(LIMIT - 1):
        fail(f"user-{number}", address="127.0.0.1")
    assert enter_password(Client(), attacker).status_code == 302
    assert fail("user-last", address="127.0.0.1").status_code == 429


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7:51234", "198.51.100.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("nonsense", "10.0.0.1"),
    ],
)
def test_the_address_is_read_in_every_form_that_proxies_write(forwarded: str, address: str, settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    request = RequestFactory().get("/", headers={"x-forwarded-for": forwarded}, REMOTE_ADDR="10.0.0.1")
    assert get_request_address(request) == address
