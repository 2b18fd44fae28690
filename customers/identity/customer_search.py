"""Finds customers by a complete user ID, email address, phone number or customer number; names are encrypted and cannot be searched."""

from django.db.models import Q

from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone

MAX_ID = 2**63


def build_customer_search(text: str) -> Q:
    """Return a filter on customers, or on models with the same key."""
    kinds = Identifier.Kind
    matches = Q(kind__in=[kinds.USER_ID, kinds.ANONYMOUS_ID, kinds.DEVICE_ID], value=text)
    matches |= Q(kind=kinds.EMAIL_HASH, value=hash_email(text)) | Q(kind=kinds.PHONE_HASH, value=hash_phone(text))
    found = Q(pk__in=Identifier.objects.filter(matches).values("customer_id"))
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) < 20 and int(number) < MAX_ID:
        found |= Q(pk=int(number))
    return found
