"""Assigns customers to a holdout group by a hash of a salt and the customer ID.

Python and PostgreSQL compute the same hash, and it never changes.
"""

from decimal import Decimal
from hashlib import sha256

from django.db.models import BigIntegerField, F, Func, TextField, Value
from django.db.models.functions import Cast

BUCKETS = 10_000
# ``compute_bucket`` in SQL: 15 hexadecimal digits, because the 60 bits are positive as a bigint.
BUCKET_SQL = (
    "mod(('x' || left(encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex'), 15))::bit(60)::bigint, 10000)"
)


def compute_bucket(*, salt: str, customer_id: int | str) -> int:
    """Return the customer's bucket, 0 to 9,999, uniformly distributed.

    It is the first 15 hexadecimal digits (60 bits) of SHA-256 over ``salt:customer``, modulo 10,000; the modulo favors no
    bucket by more than one part in 10¹⁴. For a visitor who is no customer yet, customer_id is a name of the device.
    """
    return int(sha256(f"{salt}:{customer_id}".encode()).hexdigest()[:15], 16) % BUCKETS


def count_holdout_buckets(share: Decimal) -> int:
    """Return the number of holdout buckets, counted from 0.

    A larger share keeps the same customers held out.
    """
    return int(share * BUCKETS)


def is_held_out(*, salt: str, customer_id: int | str, share: Decimal) -> bool:
    """Return whether the customer belongs to the holdout group."""
    return compute_bucket(salt=salt, customer_id=customer_id) < count_holdout_buckets(share)


def build_bucket_expression(*, salt: str) -> Func:
    """Return ``compute_bucket`` as a database expression on ``Customer``."""
    return Func(
        Value(f"{salt}:", output_field=TextField()),
        Cast(F("pk"), TextField()),
        template=BUCKET_SQL,
        arg_joiner=" || ",
        output_field=BigIntegerField(),
    )
