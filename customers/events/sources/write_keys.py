"""Write keys of sources: generated, hashed, rotated, and looked up without a query on the hot path."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import Q

from config.foundation.ttl_cache import TtlCache
from customers.events.models import Source
from customers.events.sources.user_tokens import clear_token_key_cache, generate_token_key

HINT_LENGTH = 8


@dataclass(frozen=True, slots=True)
class KnownSource:
    """The fields of a source that the collector and the REST API need."""

    id: int
    key: str
    kind: str
    enabled: bool
    allowed_origins: frozenset[str]
    honours_opt_out: bool
    previous_key_hash: str
    previous_key_expires_at: datetime | None
    is_trusted: bool
    requires_user_token: bool
    sealed_token_key: str
    is_sandbox: bool = False

    def allows_origin(self, origin: str) -> bool:
        """Return whether a browser page of this origin may send events."""
        return not self.allowed_origins or origin in self.allowed_origins


def hash_key(plain: str) -> str:
    """Return the SHA-256 of a key in hexadecimal; 32 random bytes need no salt and no slow hash."""
    return sha256(plain.encode(errors="surrogateescape")).hexdigest()


def generate_write_key(source: Source, *, now: datetime, overlap: timedelta = timedelta(0)) -> str:
    """Set a new write key on a source that the caller saves, and return the key, which is readable only now."""
    plain = f"wk_{secrets.token_urlsafe(32)}"
    keep = bool(source.write_key_hash) and overlap > timedelta(0)
    source.previous_key_hash = (source.write_key_hash or "") if keep else ""
    source.previous_key_expires_at = now + overlap if keep else None
    source.write_key_hash = hash_key(plain)
    source.write_key_hint = plain[:HINT_LENGTH]
    if not source.sealed_token_key:
        generate_token_key(source)
    return plain


def rotate_write_key(*, source_id: int, now: datetime, overlap: timedelta = timedelta(0)) -> str:
    """Give a stored source a new write key and return it.

    The previous key keeps working for ``overlap``, so that a shop can replace it without losing an event.
    """
    with transaction.atomic():
        source = Source.objects.select_for_update().get(pk=source_id)
        plain = generate_write_key(source, now=now, overlap=overlap)
        source.save(
            update_fields=[
                "write_key_hash",
                "write_key_hint",
                "previous_key_hash",
                "previous_key_expires_at",
                "sealed_token_key",
            ]
        )
    clear_source_cache()
    return plain


def find_source_by_key(plain: str, *, now: datetime) -> KnownSource | None:
    """Return the source of a write key, enabled or not; changes take effect within five seconds."""
    key_hash = hash_key(plain)
    source = _sources.get(key_hash)
    if source is None or source.previous_key_hash != key_hash:
        return source
    expires_at = source.previous_key_expires_at
    return source if expires_at is not None and now < expires_at else None


def is_known_origin(origin: str) -> bool:
    """Return whether any enabled source allows this origin; a CORS preflight request carries no key to check."""
    return bool(_origins.get(origin))


def clear_source_cache() -> None:
    """Make this process read sources from the database again."""
    _sources.forget()
    _origins.forget()
    clear_token_key_cache()


def _load_source(key_hash: str) -> KnownSource | None:
    row = Source.objects.filter(Q(write_key_hash=key_hash) | Q(previous_key_hash=key_hash)).first()
    if row is None:
        return None
    return KnownSource(
        id=row.pk,
        key=row.key,
        kind=row.kind,
        enabled=row.enabled,
        allowed_origins=frozenset(row.allowed_origins),
        honours_opt_out=row.honours_opt_out,
        previous_key_hash=row.previous_key_hash,
        previous_key_expires_at=row.previous_key_expires_at,
        is_trusted=row.is_trusted,
        requires_user_token=row.requires_user_token,
        sealed_token_key=row.sealed_token_key,
        is_sandbox=row.is_sandbox,
    )


def _load_origin(origin: str) -> bool:
    anywhere_or_here = Q(allowed_origins=[]) | Q(allowed_origins__contains=[origin])
    return Source.objects.filter(anywhere_or_here, enabled=True).exists()


_sources = TtlCache(_load_source)
_origins = TtlCache(_load_origin)
