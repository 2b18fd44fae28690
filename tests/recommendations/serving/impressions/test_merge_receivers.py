"""Impressions follow their customers through merges and lose them at an erasure."""

from datetime import timedelta

import pytest
import redis
from pytest_django.fixtures import DjangoAssertNumQueries

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer
from customers.identity.signals import customer_erased
from recommendations.serving.impressions.merge_receivers import update_impression_customers
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.models import Impression
from tests.makers import NOON, make_customer, make_identifier
from tests.recommendations.serving.impressions.entries import make_entry, send_entries

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def list_customers() -> dict[str, int | None]:
    return dict(Impression.objects.values_list("recommendation_id", "customer_id"))


def test_a_merge_moves_impressions_and_a_revert_moves_them_back(valkey: redis.Redis) -> None:
    ada, visitor = make_customer("ada"), make_customer()
    make_identifier(visitor, "browser", kind="anonymous_id")
    send_entries(make_entry("r1", user_id="ada"), make_entry("r2", anonymous_id="browser"))
    store_impressions(at=NOON)
    [merge_id] = merge_customers(pairs=[(ada.pk, visitor.pk)], at=NOON, causes=["test"])
    assert list_customers() == {"r1": ada.pk, "r2": ada.pk}
    revert_merge(merge_id=merge_id, at=NOON, by="test")
    assert list_customers() == {"r1": ada.pk, "r2": visitor.pk}


def test_an_erasure_removes_the_customer_from_impressions(valkey: redis.Redis) -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    send_entries(make_entry("r1", user_id="ada"), make_entry("r2", user_id="bob"))
    store_impressions(at=NOON)
    Impression.objects.create(
        recommendation_id="r3", scenario="for-you", user_id="ada", model_version="m", strategy="s", served_at=NOON
    )
    customer_erased.send(sender=Customer, customer_id=ada.pk, at=NOON)
    assert list_customers() == {"r1": None, "r2": bob.pk, "r3": None}
    assert not Impression.objects.filter(user_id="ada").exists()
    assert Impression.objects.get(recommendation_id="r2").user_id == "bob"


def test_a_visitor_identified_later_is_assigned_to_earlier_impressions(
    valkey: redis.Redis, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    send_entries(
        make_entry("r1", anonymous_id="browser"),
        make_entry("r2", anonymous_id="other"),
        make_entry("old", anonymous_id="browser", served_at=NOON - 2 * HOUR),
    )
    store_impressions(at=NOON)
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    with django_assert_num_queries(1):
        assert update_impression_customers(since=NOON - HOUR, until=NOON + HOUR) == 1
    assert list_customers() == {"r1": ada.pk, "r2": None, "old": None}
    assert update_impression_customers(since=NOON - HOUR, until=NOON + HOUR) == 0


def test_impressions_of_missing_or_erased_customers_are_corrected(valkey: redis.Redis) -> None:
    ada, bob = make_customer("ada"), make_customer("bob")
    send_entries(make_entry("r1", user_id="ada"), make_entry("r2", user_id="bob"))
    store_impressions(at=NOON)
    Customer.objects.filter(pk=ada.pk).update(erased_at=NOON)
    Impression.objects.filter(recommendation_id="r2").update(customer_id=bob.pk + 1000)
    assert update_impression_customers(since=NOON - HOUR, until=NOON + HOUR) == 2
    assert list_customers() == {"r1": None, "r2": bob.pk}
    assert Impression.objects.get(recommendation_id="r1").user_id == ""
