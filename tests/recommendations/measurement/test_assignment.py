"""The assignment of customers to the holdout group."""

from decimal import Decimal
from hashlib import sha256

import pytest
from scipy.stats import chisquare

from customers.identity.models import Customer
from recommendations.measurement.assignment import (
    BUCKETS,
    build_bucket_expression,
    compute_bucket,
    count_holdout_buckets,
    is_held_out,
)


def test_the_bucket_is_the_first_60_bits_of_sha256_modulo_ten_thousand() -> None:
    digest = sha256(b"pepper:42").digest()
    assert compute_bucket(salt="pepper", customer_id=42) == (int.from_bytes(digest[:8]) >> 4) % 10_000


def test_buckets_never_change() -> None:
    assert [compute_bucket(salt="salt", customer_id=number) for number in (1, 2, 3, 10**9)] == [2793, 3737, 3471, 1448]


def test_buckets_are_uniformly_distributed() -> None:
    counts = [0] * 100
    for number in range(200_000):
        counts[compute_bucket(salt="spread", customer_id=number) // 100] += 1
    assert chisquare(counts).pvalue > 0.001


def test_two_salts_hold_out_independently() -> None:
    share = Decimal("0.1")
    both = sum(
        is_held_out(salt="a", customer_id=number, share=share)
        and is_held_out(salt="b", customer_id=number, share=share)
        for number in range(100_000)
    )
    assert 850 < both < 1150  # 1,000 expected, standard deviation 31


def test_a_larger_share_holds_out_the_same_customers_and_more() -> None:
    def hold_out(share: str) -> set[int]:
        return {number for number in range(5000) if is_held_out(salt="s", customer_id=number, share=Decimal(share))}

    assert hold_out("0") == set()
    assert hold_out("0.1") < hold_out("0.25")
    assert count_holdout_buckets(Decimal("0.9999")) == BUCKETS - 1


@pytest.mark.django_db
def test_postgresql_assigns_ten_thousand_customers_as_python_does() -> None:
    Customer.objects.bulk_create(Customer(pk=number * 7919 + 1) for number in range(10_000))
    buckets = dict(Customer.objects.annotate(bucket=build_bucket_expression(salt="a'b%ü")).values_list("pk", "bucket"))
    assert len(buckets) == 10_000
    assert buckets == {pk: compute_bucket(salt="a'b%ü", customer_id=pk) for pk in buckets}
