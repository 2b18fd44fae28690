"""Creation and rotation of API keys. The plain key is shown once; only its hash is stored."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from config.access.grants import clear_key_cache
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES, find_unknown_scopes
from customers.events.sources.write_keys import hash_key

HINT_LENGTH = 12
PREFIXES = {ApiKey.Kind.PUBLISHABLE: "pk", ApiKey.Kind.SECRET: "sk"}


class UnknownScopeError(ValueError):
    """A scope that does not exist."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"Unknown scope {', '.join(names)}; valid: {', '.join(KNOWN_SCOPES)}.")


def generate_key(api_key: ApiKey, *, now: datetime, overlap: timedelta = timedelta(0)) -> str:
    """Set a new key's hash on an object that the caller saves; return the plain key, which cannot be read later."""
    mode = "test" if api_key.is_test else "live"
    plain = f"{PREFIXES[ApiKey.Kind(api_key.kind)]}_{mode}_{secrets.token_urlsafe(32)}"
    keep = bool(api_key.key_hash) and overlap > timedelta(0)
    api_key.previous_hash = api_key.key_hash if keep else ""
    api_key.previous_expires_at = now + overlap if keep else None
    api_key.key_hash = hash_key(plain)
    api_key.hint = plain[:HINT_LENGTH]
    return plain


def create_api_key(
    *,
    name: str,
    kind: str,
    scopes: Sequence[str] = (),
    now: datetime,
    expires_at: datetime | None = None,
    is_test: bool = False,
) -> tuple[ApiKey, str]:
    """Create a key; return it with its plain text, which is stored nowhere.

    Raises:
        UnknownScopeError: a scope does not exist.
        ValueError: the type is unknown, or a publishable key has scopes.
    """
    if unknown := find_unknown_scopes(list(scopes)):
        raise UnknownScopeError(unknown)
    kind = ApiKey.Kind(kind)
    if kind == ApiKey.Kind.PUBLISHABLE and scopes:
        raise ValueError("A publishable key cannot have scopes, because every visitor of the shop can read it.")
    api_key = ApiKey(name=name, kind=kind, scopes=sorted(set(scopes)), expires_at=expires_at, is_test=is_test)
    plain = generate_key(api_key, now=now)
    api_key.save()
    return api_key, plain


def rotate_api_key(*, key_id: int, now: datetime, overlap: timedelta) -> str:
    """Replace the plain text of a key and return the new one; the old one works for another ``overlap``."""
    with transaction.atomic():
        api_key = ApiKey.objects.select_for_update().get(pk=key_id)
        plain = generate_key(api_key, now=now, overlap=overlap)
        api_key.save(update_fields=["key_hash", "hint", "previous_hash", "previous_expires_at"])
    clear_key_cache()
    return plain
