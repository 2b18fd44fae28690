"""Assigns visitors to the holdout group of an offer by a hash, in the same way as campaigns do for customers."""

from decimal import Decimal
from hashlib import sha256

BUCKETS = 10_000


def is_held_out(*, salt: str, subject: str, share: Decimal) -> bool:
    """Return whether a subject, a customer's number or a name of a device, belongs to the holdout group; it never changes."""
    return int(sha256(f"{salt}:{subject}".encode()).hexdigest()[:15], 16) % BUCKETS < int(share * BUCKETS)
