"""Keys of the REST API: made, shown once, changed with an overlap."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from config.access.grants import forget_keys
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES, unknown_scopes
from customers.events.sources.write_keys import hash_key

HINT_LENGTH = 12
PREFIXES = {ApiKey.Kind.PUBLISHABLE: "pk_live_", ApiKey.Kind.SECRET: "sk_live_"}


class UnknownScopeError(ValueError):
    """A scope was named that does not exist."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"Unknown scope {', '.join(names)}. Give some of {', '.join(KNOWN_SCOPES)}.")


def draw_key(api_key: ApiKey, *, now: datetime, overlap: timedelta = timedelta(0)) -> str:
    """Puts a new key's hash into an object that the caller saves, and returns the key: only now can it be read."""
    plain = PREFIXES[ApiKey.Kind(api_key.kind)] + secrets.token_urlsafe(32)
    keep = bool(api_key.key_hash) and overlap > timedelta(0)
    api_key.previous_hash = api_key.key_hash if keep else ""
    api_key.previous_expires_at = now + overlap if keep else None
    api_key.key_hash = hash_key(plain)
    api_key.hint = plain[:HINT_LENGTH]
    return plain


def create_key(
    *, name: str, kind: str, scopes: Sequence[str] = (), now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which is kept nowhere.

    Raises:
        UnknownScopeError: a scope that does not exist.
        ValueError: a kind that does not exist, or scopes for a publishable key, which can't have any.
    """
    if unknown := unknown_scopes(list(scopes)):
        raise UnknownScopeError(unknown)
    kind = ApiKey.Kind(kind)
    if kind == ApiKey.Kind.PUBLISHABLE and scopes:
        raise ValueError("A publishable key has no scopes: every visitor of the shop can read it.")
    api_key = ApiKey(name=name, kind=kind, scopes=sorted(set(scopes)), expires_at=expires_at)
    plain = draw_key(api_key, now=now)
    api_key.save()
    return api_key, plain


def rotate_key(*, key_id: int, now: datetime, overlap: timedelta) -> str:
    """Gives a key a new text and returns it; the old text keeps working for ``overlap``."""
    with transaction.atomic():
        api_key = ApiKey.objects.select_for_update().get(pk=key_id)
        plain = draw_key(api_key, now=now, overlap=overlap)
        api_key.save(update_fields=["key_hash", "hint", "previous_hash", "previous_expires_at"])
    forget_keys()
    return plain
