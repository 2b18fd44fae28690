"""Keyed hashes that make email addresses and phone numbers searchable without storing them in plain text."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from config.foundation.keys.adoption import adopt_hashes
from config.foundation.keys.hash_keys import compute_keyed_hash, list_keyed_hashes
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
    "normalize_email",
    "normalize_phone",
]


def normalize_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def normalize_phone(phone: str) -> str:
    """Return the digits, with a leading plus if there was one (or a leading 00)."""
    text = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", text)
    return f"+{digits.removeprefix('00')}" if text.startswith(("+", "00")) else digits


def hash_email(email: str) -> str:
    """Return the hash under the current key; what is stored under an older key is renamed to it first."""
    return hash_normal(normalize_email(email))


def hash_phone(phone: str) -> str:
    """Return the hash under the current key; what is stored under an older key is renamed to it first."""
    return hash_normal(normalize_phone(phone))


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
    adopt_hashes(
        [
            *(normalize_email(email) for email in emails if email),
            *(normalize_phone(phone) for phone in phones if phone),
            *(normalize_wechat_id(text) for text in wechat_ids),
        ]
    )


def hash_normal(text: str) -> str:
    """Return the hash of an address in its normal form."""
    adopt_hashes([text])
    return compute_keyed_hash(text)
