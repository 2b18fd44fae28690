"""Customers without a predicted value: the reason is stored and shown."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils.translation import override

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.nightly import refresh_outdated_scores, refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_customers
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/value/"


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], "no_order"),
        ([5], "no_repeats"),
        ([0.001], "no_time"),
        ([50, 30, 10], "few_repeat_buyers"),
    ],
)
def test_a_missing_value_is_explained_on_the_page(admin_client: Client, days: list[float], expected: str) -> None:
    only = make_customer("only")
    for ago in days:
        make_order(only, placed_at=NOON - timedelta(days=ago), total=Decimal(0))
    if not days:
        Customer.objects.update(first_seen_at=NOON - timedelta(days=1))
    refresh_profiles(as_of=NOON, started_at=NOON)
    profile = build_customer_profile(customer_id=only.pk)
    assert profile is not None
    assert profile["value"]["reason"] == expected
    assert profile["value"]["value"] is None
    for language in ("en", "zh-hans"):
        page = admin_client.get(
            f"/admin/lifecycle/customerprofile/customer/{only.pk}/?tab=predictions",
            headers={"accept-language": language},
        )
        with override(language):
            assert str(build_customer_profile(customer_id=only.pk)["value"]["reason_name"]) in page.content.decode()  # type: ignore[index]
        assert not re.search(r"\bnan\b", page.content.decode(), re.IGNORECASE)
    assert admin_client.get(PAGE).status_code == 200


def test_before_the_first_refresh_no_value_is_updated(db: None) -> None:
    anna = make_customer("anna")
    make_order(anna, placed_at=NOON - timedelta(days=1), total=Decimal(10))
    recount_customers(customer_ids=[anna.pk], as_of=NOON)
    assert refresh_outdated_scores(as_of=NOON) == 0
    assert CustomerProfile.objects.get(customer=anna).valued_at is None
