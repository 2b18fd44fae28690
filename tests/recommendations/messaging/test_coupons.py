"""Claims of several pools, merges, and orders that are canceled or arrive late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.orders.models import Order
from recommendations.messaging.coupons.claims import CLAIM_SQL, claim_codes
from recommendations.messaging.coupons.pools import add_codes
from recommendations.messaging.coupons.redemptions import match_redemptions
from recommendations.messaging.coupons.releases import keep_codes, release_codes
from recommendations.messaging.models import CouponCode, CouponPool
from recommendations.messaging.rendering import Recipient, choose, get_compiled
from tests.makers import NOON, make_customer, make_order
from tests.recommendations.messaging.makers import get_version, make_source, make_template

pytestmark = pytest.mark.django_db


def make_pool(key: str, *codes: str, **fields: Any) -> CouponPool:
    pool = CouponPool.objects.create(key=key, name=key.title(), **fields)
    add_codes(pool=pool, codes=codes)
    return pool


def read_claims(key: str) -> dict[str, int | None]:
    """Return the customer of each code of a pool; check that the pool's count is right."""
    codes = CouponCode.objects.filter(pool__key=key)
    assert CouponPool.objects.get(key=key).claimed_count == codes.filter(claimed_at__isnull=False).count()
    return dict(codes.order_by("id").values_list("code", "customer_id"))


def test_free_codes_are_found_without_reading_those_that_were_handed_out() -> None:
    make_pool("spring", *(f"S-{number}" for number in range(3_000)))
    make_pool("welcome", *(f"W-{number}" for number in range(3_000)))
    with connection.cursor() as cursor:
        for key in ("spring", "welcome"):
            deliveries = {number + 10_000 * len(key): number for number in range(2_000)}
            claim_codes(pool_keys=[key], deliveries=deliveries, now=NOON)
        cursor.execute("ANALYZE messaging_couponcode, messaging_couponpool")
        parameters: dict[str, Any] = {"pools": ["welcome"], "deliveries": [1, 2], "customers": [1, 2], "now": NOON}
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) {CLAIM_SQL}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "messaging_code_free" in plan
    assert CouponCode.objects.get(delivery_id=1).code == "W-2000"


def test_an_empty_pool_uses_up_no_codes_of_the_other_pools_of_a_message() -> None:
    make_pool("autumn", "A-1", "A-2", "A-3")
    make_pool("welcome", "W-1")
    source = make_source('<mj-coupon pool="autumn"/><mj-coupon pool="welcome"/>')
    compiled = get_compiled(get_version(make_template(source)).pk)
    recipients = {number: Recipient(number) for number in (1, 2, 3)}
    chosen = choose(compiled, recipients, now=NOON, deliveries={1: 11, 2: 12, 3: 13})
    assert chosen[1].coupons == {"autumn": "A-1", "welcome": "W-1"}
    assert [chosen[number].skip_reason for number in (1, 2, 3)] == ["", "coupons_used_up", "coupons_used_up"]
    assert read_claims("autumn") == {"A-1": 1, "A-2": None, "A-3": None}
    assert read_claims("welcome") == {"W-1": 1}


def test_a_customer_at_the_limit_of_one_pool_takes_no_code_that_others_need() -> None:
    make_pool("autumn", "A-1")
    make_pool("welcome", "W-1", "W-2", "W-3", per_customer=1)
    claim_codes(pool_keys=["welcome"], deliveries={1: 1}, now=NOON)
    claimed = claim_codes(pool_keys=["autumn", "welcome"], deliveries={2: 1, 3: 2}, now=NOON)
    assert claimed == {3: {"autumn": "A-1", "welcome": "W-2"}}


@pytest.mark.parametrize("other", ["expired", "unknown"])
def test_a_pool_that_cannot_give_codes_stops_the_claims_of_the_others(other: str) -> None:
    make_pool("autumn", "A-1")
    make_pool("expired", "E-1", expires_at=NOON)
    assert claim_codes(pool_keys=["autumn", other], deliveries={1: 1}, now=NOON) == {}
    assert read_claims("autumn") == {"A-1": None}


def test_released_codes_are_given_to_others_unless_somebody_may_have_seen_them() -> None:
    make_pool("welcome", "W-1", "W-2", "W-3")
    claim_codes(pool_keys=["welcome"], deliveries={1: 1, 2: 2, 3: 3}, now=NOON)
    keep_codes([2])
    make_order(None, placed_at=NOON + timedelta(hours=1), coupon="W-3")
    match_redemptions(now=datetime.now(UTC))
    assert release_codes([1, 2, 3, 4]) == {1}
    assert read_claims("welcome") == {"W-1": None, "W-2": 2, "W-3": 3}
    assert claim_codes(pool_keys=["welcome"], deliveries={5: 5, 6: 6}, now=NOON) == {5: {"welcome": "W-1"}}
    assert read_claims("welcome") == {"W-1": 5, "W-2": 2, "W-3": 3}


def test_a_merge_keeps_the_limit_per_customer_and_a_revert_returns_the_codes() -> None:
    kept, merged = make_customer("kept"), make_customer("merged")
    make_pool("welcome", "W-1", "W-2", "W-3", per_customer=1)
    claim_codes(pool_keys=["welcome"], deliveries={1: merged.pk}, now=NOON)
    [merge_id] = merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert read_claims("welcome")["W-1"] == kept.pk
    assert claim_codes(pool_keys=["welcome"], deliveries={2: kept.pk}, now=NOON) == {}
    revert_merge(merge_id=merge_id, at=NOON, by="test")
    assert read_claims("welcome")["W-1"] == merged.pk
    assert claim_codes(pool_keys=["welcome"], deliveries={3: kept.pk}, now=NOON) == {3: {"welcome": "W-2"}}
    assert claim_codes(pool_keys=["welcome"], deliveries={4: merged.pk}, now=NOON) == {}


def test_a_code_that_was_claimed_during_a_merge_follows_its_delivery_to_the_kept_customer() -> None:
    make_pool("welcome", "W-1", "W-2", per_customer=1)
    claim_codes(pool_keys=["welcome"], deliveries={1: 8}, now=NOON)
    assert claim_codes(pool_keys=["welcome"], deliveries={1: 7}, now=NOON) == {1: {"welcome": "W-1"}}
    assert read_claims("welcome") == {"W-1": 7, "W-2": None}
    assert claim_codes(pool_keys=["welcome"], deliveries={2: 7}, now=NOON) == {}


@pytest.mark.parametrize("change", ["canceled", "removed", "other code"])
def test_a_code_of_an_order_that_no_longer_counts_is_redeemed_by_the_next_order(change: str) -> None:
    pool = make_pool("welcome", "W-1", "W-2")
    claim_codes(pool_keys=["welcome"], deliveries={1: 7}, now=NOON)
    first = make_order(None, placed_at=NOON + timedelta(hours=1), coupon="W-1")
    later = datetime.now(UTC)
    assert match_redemptions(now=later) == 1
    second = make_order(None, placed_at=NOON + timedelta(hours=2), coupon="W-1")
    assert match_redemptions(now=later + timedelta(days=30)) == 0, "the code is redeemed"
    if change == "canceled":
        Order.objects.filter(pk=first.pk).update(status="cancelled")
    elif change == "removed":
        first.delete()
    else:
        Order.objects.filter(pk=first.pk).update(coupon="W-2")
    assert match_redemptions(now=later + timedelta(days=60)) == 1, "an order that arrived long ago is found"
    assert CouponCode.objects.get(code="W-1").order_number == second.pk
    second.delete()
    assert match_redemptions(now=later + timedelta(days=60)) == 0
    code = CouponCode.objects.get(code="W-1")
    assert (code.redeemed_at, code.order_number, code.customer_id) == (None, None, 7)
    pool.refresh_from_db()
    assert (pool.claimed_count, pool.redeemed_count) == (1, 0)


def test_orders_that_arrived_while_the_job_was_stopped_are_matched() -> None:
    pool = make_pool("welcome", "W-1", "W-2")
    claim_codes(pool_keys=["welcome"], deliveries={1: 7, 2: 8}, now=NOON)
    make_order(None, placed_at=NOON + timedelta(hours=1), coupon="W-1")
    arrived = datetime.now(UTC)
    assert match_redemptions(now=arrived + timedelta(days=30)) == 1, "the first run"
    match_redemptions(now=arrived - timedelta(hours=1))
    make_order(None, placed_at=NOON + timedelta(hours=2), coupon="W-2")
    assert match_redemptions(now=arrived + timedelta(days=30)) == 1
    pool.refresh_from_db()
    assert pool.redeemed_count == 2


def test_orders_with_the_same_text_are_matched_by_one_call() -> None:
    make_pool("autumn", "TEA")
    make_pool("welcome", "TEA")
    claim_codes(pool_keys=["autumn", "welcome"], deliveries={1: 7}, now=NOON)
    make_order(None, placed_at=NOON + timedelta(hours=1), coupon="TEA")
    make_order(None, placed_at=NOON + timedelta(hours=2), coupon="TEA")
    assert match_redemptions(now=datetime.now(UTC)) == 2
