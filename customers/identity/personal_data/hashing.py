"""Keyed hashes by which e-mail addresses and phone numbers are found without being readable."""

import hmac
import re
import unicodedata
from hashlib import sha256

from django.conf import settings


def normalise_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def normalise_phone(phone: str) -> str:
    """Digits with a leading plus where there was one (or a leading 00)."""
    text = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", text)
    return f"+{digits.removeprefix('00')}" if text.startswith(("+", "00")) else digits


def keyed_hash(value: str) -> str:
    """HMAC-SHA256 under HASH_KEY, 64 hexadecimal digits."""
    return hmac.new(settings.HASH_KEY, value.encode(), sha256).hexdigest()


def hash_email(email: str) -> str:
    return keyed_hash(normalise_email(email))


def hash_phone(phone: str) -> str:
    return keyed_hash(normalise_phone(phone))
