"""Identifies callers of the REST API and their permissions, in one form for API keys and back-office users."""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError
from django.db.models import Q

from config.access.models import ApiKey
from config.access.scopes import list_user_scopes
from config.foundation.ttl_cache import TtlCache, run_in_background
from customers.events.sources.write_keys import hash_key

logger = logging.getLogger(__name__)

LAST_USED_INTERVAL = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Grant:
    """The permissions of a caller. Views read it as ``request.auth``: ``"customers:personal" in request.auth.scopes``."""

    caller: str  # key:12 or user:1; stable for each caller
    name: str
    scopes: frozenset[str]
    publishable: bool = False
    requests_per_minute: int | None = None
    requires_user_token: bool = False
    allowed_origins: frozenset[str] = frozenset()
    is_test: bool = False

    def allows(self, view: Any, method: str) -> bool:
        """Return whether the caller may use a view (or its class); a view without a scope for the method is closed."""
        if self.publishable:
            return bool(getattr(view, "publishable", False))
        required: Mapping[str, str] = getattr(view, "required_scopes", {})
        scope = required.get("GET" if method == "HEAD" else method)
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class CachedApiKey:
    """An API key as it was in the database at most five seconds ago."""

    id: int
    grant: Grant
    enabled: bool
    expires_at: datetime | None
    previous_hash: str
    previous_expires_at: datetime | None

    def is_valid(self, key_hash: str, now: datetime) -> bool:
        if not self.enabled or (self.expires_at is not None and now >= self.expires_at):
            return False
        if key_hash != self.previous_hash:
            return True
        return self.previous_expires_at is not None and now < self.previous_expires_at


def parse_authorization(authorization: str) -> str | None:
    """Return the key of an Authorization header: a Bearer token, or Basic's user name, which analytics SDKs use."""
    scheme, _space, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def find_key_grant(plain: str, *, now: datetime) -> Grant | None:
    """Return the grant of an API key; None if it is invalid. The write key of a source has none: it only sends events."""
    key_hash = hash_key(plain)
    key = _keys.get(key_hash)
    if key is None or not key.is_valid(key_hash, now):
        return None
    _record_use(key.id, now)
    return key.grant


def is_test_key(authorization: str) -> bool:
    """Return whether an Authorization header has a valid test key."""
    plain = parse_authorization(authorization)
    grant = find_key_grant(plain, now=datetime.now(UTC)) if plain else None
    return grant is not None and grant.is_test


def find_user_grant(user: Any) -> Grant | None:
    """Return the grant of a back-office user; None for any other user."""
    if not isinstance(user, get_user_model()) or not user.is_active or not user.is_staff:
        return None
    return Grant(caller=f"user:{user.pk}", name=user.get_username(), scopes=list_user_scopes(user))


def may_read_responses(origin: str, grant: Grant | None) -> bool:
    """Return whether pages of this origin may read responses to the key; None is a preflight request, which carries no key."""
    if origin in settings.CORS_ALLOWED_ORIGINS:
        return True
    return bool(_origins.get(origin)) if grant is None else origin in grant.allowed_origins


def clear_key_cache() -> None:
    """Make this process read keys from the database again."""
    _keys.forget()
    _origins.forget()


def _load_key(key_hash: str) -> CachedApiKey | None:
    row = ApiKey.objects.filter(Q(key_hash=key_hash) | Q(previous_hash=key_hash)).first()
    if row is None:
        return None
    grant = Grant(
        caller=f"key:{row.pk}",
        name=row.name,
        scopes=frozenset(row.scopes),
        publishable=row.kind == ApiKey.Kind.PUBLISHABLE,
        requests_per_minute=row.requests_per_minute,
        requires_user_token=row.requires_user_token,
        allowed_origins=frozenset(row.allowed_origins),
        is_test=row.is_test,
    )
    return CachedApiKey(row.pk, grant, row.enabled, row.expires_at, row.previous_hash, row.previous_expires_at)


def _load_origin(origin: str) -> bool:
    """Return whether any key that may be used by pages allows this origin."""
    return ApiKey.objects.filter(
        kind=ApiKey.Kind.PUBLISHABLE, enabled=True, allowed_origins__contains=[origin]
    ).exists()


def _record_use(key_id: int, now: datetime) -> None:
    """Write ``last_used_at`` at most once per minute, in the background; a failure does not fail the call."""
    recorded_at = _last_recorded.get(key_id)
    if recorded_at is not None and now - recorded_at < LAST_USED_INTERVAL:
        return
    _last_recorded[key_id] = now
    run_in_background(lambda: _write_use(key_id, now))


def _write_use(key_id: int, now: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_INTERVAL)
    try:
        ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=now)
    except (OperationalError, InterfaceError) as error:
        logger.warning("Could not write last_used_at of key %s: %s", key_id, error)


_keys = TtlCache(_load_key)
_origins = TtlCache(_load_origin)
_last_recorded: dict[int, datetime] = {}
