"""Keyed hashes that make email addresses and phone numbers searchable without storing them in plain text."""

import hmac
import re
import unicodedata
from hashlib import sha256

from django.conf import settings


def normalize_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def normalize_phone(phone: str) -> str:
    """Return the digits, with a leading plus if there was one (or a leading 00)."""
    text = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", text)
    return f"+{digits.removeprefix('00')}" if text.startswith(("+", "00")) else digits


def compute_keyed_hash(value: str) -> str:
    """Return the HMAC-SHA256 under HASH_KEY as 64 hexadecimal digits."""
    return hmac.new(settings.HASH_KEY, value.encode(), sha256).hexdigest()


def hash_email(email: str) -> str:
    return compute_keyed_hash(normalize_email(email))


def hash_phone(phone: str) -> str:
    return compute_keyed_hash(normalize_phone(phone))
