"""The two keys that the demo's shop shows to every browser: one to ask for recommendations, one to send events."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from config.access.grants import grant_of_key
from config.access.keys import create_key, rotate_key
from config.access.models import ApiKey
from customers.events.models import Source
from customers.events.sources.write_keys import issue_write_key, source_with_key

NAME = "storefront"  # of the API key and of the source
NO_OVERLAP = timedelta(0)


@dataclass(frozen=True)
class StorefrontKeys:
    """Both are public by nature: a browser holds them. The database has their hashes alone, so their texts lie in a file."""

    publishable_key: str
    write_key: str


def keys_file() -> Path:
    return Path(settings.VAR_DIR) / "secrets" / "storefront.json"


def read_storefront_keys() -> StorefrontKeys | None:
    """The keys of the file; None where there is none, or it holds something else."""
    try:
        return StorefrontKeys(**json.loads(keys_file().read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def ensure_storefront_keys(*, now: datetime) -> bool:
    """Makes the keys, or makes them again where the database does not know those of the file; whether it made any."""
    known = read_storefront_keys()
    if known is not None and are_valid(known, now=now):
        return False
    write_storefront_keys(StorefrontKeys(publishable_key=make_api_key(now=now), write_key=make_write_key(now=now)))
    return True


def are_valid(keys: StorefrontKeys, *, now: datetime) -> bool:
    grant = grant_of_key(keys.publishable_key, now=now)
    source = source_with_key(keys.write_key, now=now)
    return grant is not None and grant.publishable and source is not None and source.enabled


def make_api_key(*, now: datetime) -> str:
    """A new text for the key of that name, which is made when there is none."""
    existing = ApiKey.objects.filter(name=NAME, kind=ApiKey.Kind.PUBLISHABLE, enabled=True, expires_at=None).first()
    if existing is not None:
        return rotate_key(key_id=existing.pk, now=now, overlap=NO_OVERLAP)
    _key, plain = create_key(name=NAME, kind=ApiKey.Kind.PUBLISHABLE, now=now)
    return plain


def make_write_key(*, now: datetime) -> str:
    source, _created = Source.objects.update_or_create(
        key=NAME,
        defaults={"enabled": True},
        create_defaults={"name": "Demo storefront", "kind": Source.Kind.BROWSER, "enabled": True},
    )
    return issue_write_key(source_id=source.pk, now=now)


def write_storefront_keys(keys: StorefrontKeys) -> None:
    """Readable by this user alone, as everything beside it; a reader sees the old file or the new one."""
    path = keys_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(keys)))
    draft.replace(path)
