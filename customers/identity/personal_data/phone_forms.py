"""Renames the hashes of stored phone numbers to their new form after the shop's country has changed."""

import logging
import time
from dataclasses import dataclass

from config.foundation.keys.hash_keys import compute_keyed_hash
from config.foundation.shop.models import SINGLETON_ID, ShopSettings
from config.foundation.shop.phone_numbers import normalize_number
from config.foundation.shop.profile import forget_shop, get_phone_countries
from config.foundation.ttl_cache import TTL_SECONDS
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import adopt_phone_forms

logger = logging.getLogger(__name__)
BATCH = 2_000
# For this long, other processes may still use the former country, and store numbers in its form.
SETTLE_SECONDS = TTL_SECONDS + 1


@dataclass(frozen=True)
class PhoneFormsResult:
    """customers: with a phone number; renamed: rows of hashes; shared: numbers that two customers have, in two forms."""

    customers: int = 0
    renamed: int = 0
    shared: int = 0


def apply_phone_country() -> PhoneFormsResult:
    """Rename the hashes of all customers' numbers, then note the country as applied.

    Do nothing if it is applied already. A killed run starts again with the first customer; hashes that are already renamed stay as they are.
    Until the run ends, every lookup of a number renames its hash first.
    """
    forget_shop()
    countries = get_phone_countries()
    if countries.current == countries.applied:
        return PhoneFormsResult()
    time.sleep(SETTLE_SECONDS)
    customers = renamed = shared = last = 0
    while rows := list(
        Customer.objects.filter(pk__gt=last, erased_at=None)
        .exclude(phone="")
        .order_by("pk")
        .values_list("pk", "phone")[:BATCH]
    ):
        last, customers = rows[-1][0], customers + len(rows)
        phones = [phone for _pk, phone in rows]
        renamed += adopt_phone_forms(phones)
        shared += count_shared(phones, before=countries.applied, now=countries.current)
    ShopSettings.objects.filter(pk=SINGLETON_ID, country=countries.current).update(phone_country=countries.current)
    forget_shop()
    logger.info(
        "Phone numbers of %d customers now use the country “%s”: %d hashes renamed, %d numbers belong to two customers.",
        customers, countries.current, renamed, shared,
    )  # fmt: skip
    return PhoneFormsResult(customers, renamed, shared)


def count_shared(phones: list[str], *, before: str, now: str) -> int:
    """Return how many numbers kept their former hash, because another customer has the new one."""
    old = {
        compute_keyed_hash(former)
        for phone in phones
        if (former := normalize_number(phone, before)) != normalize_number(phone, now)
    }
    return Identifier.objects.filter(kind=Identifier.Kind.PHONE_HASH, value__in=old).count() if old else 0
