"""Who is held out: a hash of the campaign's salt and the customer, the same in Python and in PostgreSQL, for ever."""

from decimal import Decimal
from hashlib import sha256

from django.db.models import BigIntegerField, F, Func, TextField, Value
from django.db.models.functions import Cast

BUCKETS = 10_000
BUCKET_SQL = (
    "mod(('x' || left(encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex'), 15))::bit(60)::bigint, 10000)"
)


def bucket_of(*, salt: str, customer_id: int) -> int:
    """A number from 0 to 9,999, evenly spread.

    The first 15 hexadecimal digits (60 bits) of SHA-256 over ``salt:customer`` modulo 10,000; the remainder favours no
    bucket by more than one part in 10¹⁴.
    """
    return int(sha256(f"{salt}:{customer_id}".encode()).hexdigest()[:15], 16) % BUCKETS


def held_out_buckets(share: Decimal) -> int:
    """Customers in buckets below this number are held out. A larger share holds out the same customers and more."""
    return int(share * BUCKETS)


def is_held_out(*, salt: str, customer_id: int, share: Decimal) -> bool:
    return bucket_of(salt=salt, customer_id=customer_id) < held_out_buckets(share)


def bucket(*, salt: str) -> Func:
    """``bucket_of`` as an expression over ``Customer``."""
    return Func(
        Value(f"{salt}:", output_field=TextField()),
        Cast(F("pk"), TextField()),
        template=BUCKET_SQL,
        arg_joiner=" || ",
        output_field=BigIntegerField(),
    )
