"""Reads the values that platforms send: times, amounts, texts."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from customers.connectors.platforms.base import PlatformError


def read_time(value: Any) -> datetime | None:
    """Return a time; without an offset it is in UTC."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = parse_datetime(value.strip())
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_amount(value: Any) -> Decimal:
    """Return an amount; 0 if there is none."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() else Decimal(0)


def dig(value: Any, *names: str) -> Any:
    """Return a nested value; None if a level is missing."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def is_signed(body: bytes, *, signature: str, secret: str) -> bool:
    """Return whether a signature is the Base64 of the HMAC-SHA256 of the body; compared in constant time."""
    try:
        given = base64.b64decode(signature.encode(errors="replace"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(secret) and hmac.compare_digest(hmac.new(secret.encode(), body, sha256).digest(), given)


def clean_shop_url(text: str) -> str:
    """Return the URL of a shop without a slash at its end. Raises PlatformError."""
    text = text.strip()
    text = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(text)
        _port = parts.port
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_valid = False
    if not is_valid or not text.isprintable() or " " in text or len(text) > 300:
        raise PlatformError(_("This is not a valid address; use a format like https://shop.example."))
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
