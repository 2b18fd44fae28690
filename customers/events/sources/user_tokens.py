"""User tokens: proof by the shop's server that a browser or app may speak for a customer.

The server makes a token from the customer's id and an expiry with the token key of the source; a page cannot make one. Two
forms are valid:

- ``<expiry>.<signature>``: the expiry in Unix seconds, and the hexadecimal HMAC-SHA256 of ``<expiry>.<user id>``.
- a JSON Web Token signed with HS256, whose ``sub`` is the user id, with ``exp``.
"""

import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

import jwt
from django.db import transaction

from config.foundation.ttl_cache import TtlCache
from customers.events.models import Source
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt, encrypt

MAX_TOKEN_LENGTH = 2000
MAX_EXPIRY_DIGITS = 12
DEFAULT_LIFETIME = timedelta(hours=1)


def generate_token_key(source: Source) -> str:
    """Set a new token key on a source that the caller saves, and return it; tokens of the previous key become invalid."""
    plain = f"ut_{secrets.token_urlsafe(32)}"
    source.sealed_token_key = encrypt(plain)
    return plain


def rotate_token_key(*, source_id: int) -> str:
    """Give a stored source a new token key and return it; all tokens made with the old one become invalid."""
    with transaction.atomic():
        source = Source.objects.select_for_update().get(pk=source_id)
        plain = generate_token_key(source)
        source.save(update_fields=["sealed_token_key"])
    clear_token_key_cache()
    return plain


@lru_cache(maxsize=256)
def read_token_key(sealed: str) -> str:
    """Return the token key of a source; empty if there is none, or if FIELD_KEYS lacks the key that encrypted it.

    Without a token key no token is valid, so a browser can then speak for nobody.
    """
    try:
        return decrypt(sealed) if sealed else ""
    except UnreadableFieldError:
        return ""


def create_user_token(*, key: str, user_id: str, now: datetime, lifetime: timedelta = DEFAULT_LIFETIME) -> str:
    """Return a token for a customer, as the shop's server makes it."""
    expires = int((now + lifetime).timestamp())
    return f"{expires}.{_sign(key, expires, user_id)}"


def is_valid_user_token(token: object, *, user_id: str, keys: Iterable[str], now: datetime) -> bool:
    """Return whether a token was made for this customer with one of the keys and has not expired."""
    if not isinstance(token, str) or not user_id or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return False
    verify = _verify_jwt if token.count(".") == 2 else _verify_signature
    return any(verify(token, user_id, key, now) for key in keys if key)


def list_token_keys() -> tuple[str, ...]:
    """Return the token keys of all enabled sources, for callers that name no source; at most five seconds old."""
    return _keys.get("") or ()


def clear_token_key_cache() -> None:
    """Make this process read the token keys from the database again."""
    _keys.forget()


def _sign(key: str, expires: int, user_id: str) -> str:
    return hmac.new(key.encode(), f"{expires}.{user_id}".encode(errors="surrogatepass"), sha256).hexdigest()


def _verify_signature(token: str, user_id: str, key: str, now: datetime) -> bool:
    expires, _point, signature = token.partition(".")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= MAX_EXPIRY_DIGITS and signature.isascii()):
        return False
    if int(expires) <= now.timestamp():
        return False
    return hmac.compare_digest(_sign(key, int(expires), user_id), signature.lower())


def _verify_jwt(token: str, user_id: str, key: str, now: datetime) -> bool:
    try:
        # the time is checked against ``now`` below; "none" and other algorithms are refused
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            options={"require": ["exp", "sub"], "verify_exp": False, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError, UnicodeError):
        return False
    expires = claims["exp"]
    return isinstance(expires, int | float) and expires > now.timestamp() and claims["sub"] == user_id


def _load_keys(_all: str) -> tuple[str, ...]:
    sealed = Source.objects.filter(enabled=True).exclude(sealed_token_key="").values_list("sealed_token_key", flat=True)
    return tuple(key for text in sealed if (key := read_token_key(text)))


_keys = TtlCache(_load_keys)
