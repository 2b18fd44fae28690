"""Impressions follow their customers through merges and lose them at an erasure."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from psycopg import sql
from pytest_django.fixtures import DjangoAssertNumQueries

from customers.erasure.people import describe_person
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer
from customers.identity.signals import customer_erased
from recommendations.serving.impressions.merge_receivers import ANONYMIZE, update_impression_customers
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.models import Impression
from recommendations.serving.stored_data.personal_data_stores import ImpressionRows
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


def test_an_erasure_reads_only_the_impressions_of_the_customer() -> None:
    ada = make_customer("ada")
    make_identifier(ada, "browser", kind="anonymous_id")
    with connection.cursor() as cursor:
        cursor.execute(MAKE_UNKNOWN_IMPRESSIONS, {"at": NOON, "of_others": 3000})
        cursor.execute("ANALYZE serving_impression")
        cursor.execute("SET LOCAL enable_seqscan = off")
        condition, parameters = ImpressionRows("impressions", "", "serving.Impression").match_rows(
            [describe_person(ada)]
        )
        count = sql.SQL("SELECT count(*) FROM serving_impression t WHERE {}").format(condition)
        assert count_read_rows(count.as_string(None), parameters) == 2
        assert count_read_rows(ANONYMIZE, {"customer": ada.pk}) <= 4  # each is found and then changed
    unknown = Impression.objects.exclude(user_id="", anonymous_id="")
    assert (unknown.count(), Impression.objects.count()) == (3000, 3002)


MAKE_UNKNOWN_IMPRESSIONS = """
INSERT INTO serving_impression (recommendation_id, scenario, user_id, anonymous_id, model_version, strategy, arm, fallback, served_at,
                                first_rank, product_ids)
SELECT 'r' || n, 'for-you', CASE n WHEN 0 THEN 'ada' ELSE '' END, CASE n WHEN 0 THEN '' WHEN 1 THEN 'browser' ELSE 'other-' || n END,
       'm', 's', '', '', %(at)s, 1, '{}'
FROM generate_series(0, %(of_others)s + 1) AS n
"""


def count_read_rows(statement: str, parameters: dict[str, Any]) -> int:
    """Run a statement and return how many impressions its scans have read, with those that a condition removed."""

    def count(node: dict[str, Any]) -> int:
        own = 0
        if str(node.get("Relation Name", "")).startswith("serving_impression") and node["Node Type"].endswith("Scan"):
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            own = round((node["Actual Rows"] + removed) * node["Actual Loops"])
        return own + sum(count(child) for child in node.get("Plans", []))

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        return count(cursor.fetchone()[0][0]["Plan"])


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
