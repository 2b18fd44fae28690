"""Keyed hashes that make email addresses and phone numbers searchable without storing them in plain text."""

import unicodedata
from collections.abc import Iterable, Sequence

from config.foundation.keys.adoption import adopt_hashes, rename_hashes
from config.foundation.keys.hash_keys import compute_keyed_hash, list_keyed_hashes
from config.foundation.shop.phone_numbers import list_number_forms, normalize_number
from config.foundation.shop.profile import get_phone_countries
from customers.identity.personal_data.wechat_ids import normalize_wechat_id

__all__ = [
    "adopt_addresses",
    "compute_keyed_hash",
    "hash_email",
    "hash_emails",
    "hash_normal",
    "hash_phone",
    "hash_wechat_id",
    "list_keyed_hashes",
    "list_phone_hashes",
    "normalize_email",
    "normalize_phone",
]


def normalize_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def normalize_phone(phone: str) -> str:
    """Return the digits with a leading plus; a number without a country code gets that of the shop's country, if it has one."""
    return normalize_number(phone, get_phone_countries().current)


def hash_email(email: str) -> str:
    """Return the hash under the current key; what is stored under an older key is renamed to it first."""
    return hash_normal(normalize_email(email))


def hash_phone(phone: str) -> str:
    """Return the hash under the current key; what is stored under an older key or form is renamed to it first."""
    adopt_phone_forms([phone])
    return hash_normal(normalize_phone(phone))


def list_phone_hashes(phone: str) -> list[str]:
    """Return the hash of a number, and the hashes of the forms in which it may be stored from before the shop had a country."""
    first, *others = list_number_forms(normalize_phone(phone), get_phone_countries().current)
    return [hash_normal(first), *(hash_normal(form) for form in others)]


def adopt_phone_forms(phones: Iterable[str]) -> int:
    """Rename hashes of numbers as they were written before the shop's country changed; return the number of rows.

    A number that two customers have in two forms is not renamed: both customers keep it until an event merges them.
    """
    countries = get_phone_countries()
    if countries.current == countries.applied:
        return 0
    pairs: set[tuple[str, str]] = set()
    for phone in dict.fromkeys(phones):
        if phone:
            new, *forms = list_number_forms(normalize_number(phone, countries.current), countries.current)
            former = {normalize_number(phone, countries.applied), *forms} - {new}
            pairs.update((compute_keyed_hash(text), compute_keyed_hash(new)) for text in former)
    return rename_hashes(sorted(pairs)) if pairs else 0


def hash_wechat_id(text: str) -> str:
    """Return the hash of an openid or unionid under the current key; what is stored under an older key is renamed to it first."""
    return hash_normal(normalize_wechat_id(text))


def hash_emails(emails: Sequence[str]) -> list[str]:
    """Return the hashes of many email addresses."""
    normal = [normalize_email(email) for email in emails]
    adopt_hashes(normal)
    return [compute_keyed_hash(text) for text in normal]


def adopt_addresses(*, emails: Iterable[str] = (), phones: Iterable[str] = (), wechat_ids: Iterable[str] = ()) -> None:
    """Rename what is stored about many addresses under an older key at once, before each is hashed."""
    numbers = [phone for phone in phones if phone]
    adopt_phone_forms(numbers)
    adopt_hashes(
        [
            *(normalize_email(email) for email in emails if email),
            *(normalize_phone(phone) for phone in numbers),
            *(normalize_wechat_id(text) for text in wechat_ids),
        ]
    )


def hash_normal(text: str) -> str:
    """Return the hash of an address in its normal form."""
    adopt_hashes([text])
    return compute_keyed_hash(text)
