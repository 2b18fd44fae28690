"""Who calls the REST API and what they may do: the same question for keys, write keys and back-office users."""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError
from django.db.models import Q

from config.access.models import ApiKey
from config.access.scopes import scopes_of_user
from config.foundation.ttl_cache import Memory, do_beside
from customers.events.sources.write_keys import hash_key, source_with_key

logger = logging.getLogger(__name__)

LAST_USED_EVERY = timedelta(minutes=1)
EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do. Rooms read it as ``request.auth``: ``"customers:personal" in request.auth.scopes``."""

    caller: str  # key:12, source:3, user:1: the same caller always has the same
    name: str
    scopes: frozenset[str]
    publishable: bool = False
    requests_per_minute: int | None = None

    def allows(self, view: Any, method: str) -> bool:
        """Whether a view (or its class) may be called; a view that names no scope for the method is closed."""
        if self.publishable:
            return bool(getattr(view, "publishable", False))
        required: Mapping[str, str] = getattr(view, "required_scopes", {})
        scope = required.get("GET" if method == "HEAD" else method)
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as the database had it at most five seconds ago."""

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


def plain_key_of(authorization: str) -> str | None:
    """The key in an Authorization header: a Bearer token, or the user name of Basic as the analytics SDKs send it."""
    scheme, _space, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def grant_of_key(plain: str, *, now: datetime) -> Grant | None:
    """What a key allows: an API key, or a source's write key, which counts as publishable. None: not valid."""
    key_hash = hash_key(plain)
    key = _keys.get(key_hash)
    if key is not None:
        if not key.is_valid(key_hash, now):
            return None
        _note_use(key.id, now)
        return key.grant
    source = source_with_key(plain, now=now)
    if source is None or not source.enabled:
        return None
    return Grant(caller=f"source:{source.id}", name=source.key, scopes=frozenset(), publishable=True)


def grant_of_user(user: Any) -> Grant | None:
    """What a back-office user may do; None for anybody else."""
    if not isinstance(user, get_user_model()) or not user.is_active or not user.is_staff:
        return None
    return Grant(caller=f"user:{user.pk}", name=user.get_username(), scopes=scopes_of_user(user))


def forget_keys() -> None:
    """Makes this process ask the database again."""
    _keys.forget()


def _load_key(key_hash: str) -> KnownKey | None:
    row = ApiKey.objects.filter(Q(key_hash=key_hash) | Q(previous_hash=key_hash)).first()
    if row is None:
        return None
    grant = Grant(
        caller=f"key:{row.pk}",
        name=row.name,
        scopes=frozenset(row.scopes),
        publishable=row.kind == ApiKey.Kind.PUBLISHABLE,
        requests_per_minute=row.requests_per_minute,
    )
    return KnownKey(row.pk, grant, row.enabled, row.expires_at, row.previous_hash, row.previous_expires_at)


def _note_use(key_id: int, now: datetime) -> None:
    """Writes ``last_used_at`` at most once a minute; a call is not refused because that failed."""
    noted = _last_noted.get(key_id)
    if noted is not None and now - noted < LAST_USED_EVERY:
        return
    _last_noted[key_id] = now
    do_beside(lambda: _write_use(key_id, now))


def _write_use(key_id: int, now: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_EVERY)
    try:
        ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=now)
    except (OperationalError, InterfaceError) as error:
        logger.warning("last_used_at of key %s was not written: %s", key_id, error)


_keys = Memory(_load_key)
_last_noted: dict[int, datetime] = {}
