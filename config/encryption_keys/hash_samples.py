"""Checks the hash keys: hashes do not name their key, so a few stored addresses are hashed and looked up."""

from config.foundation.keys.hash_keys import list_keyed_hashes
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.hashing import normalize_email

SAMPLE = 20  # of the oldest customers with an email address, and as many of the newest


def are_hash_keys_right() -> bool | None:
    """Return whether stored email addresses can be found by their hash; None if none are stored, or they cannot be decrypted."""
    addresses = Customer.objects.exclude(email="").values_list("email", flat=True)
    try:
        sample = {address for order in ("pk", "-pk") for address in addresses.order_by(order)[:SAMPLE]}
    except UnreadableFieldError:
        return None
    known = Identifier.objects.filter(kind=Identifier.Kind.EMAIL_HASH)
    if not sample or not known.exists():
        return None
    hashes = [digest for address in sample for digest in list_keyed_hashes(normalize_email(address))]
    return known.filter(value__in=hashes).exists()
