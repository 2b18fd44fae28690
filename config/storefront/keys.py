"""The two keys that the demo shop gives to every browser: one to request recommendations, one to send events."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from config.access.grants import find_key_grant
from config.access.keys import create_api_key, rotate_api_key
from config.access.models import ApiKey
from customers.events.models import Source
from customers.events.sources.write_keys import find_source_by_key, rotate_write_key

NAME = "storefront"  # the name of the API key and the key of the source
NO_OVERLAP = timedelta(0)


@dataclass(frozen=True)
class StorefrontKeys:
    """Public keys for the browser. The database stores only their hashes, so their plain texts are stored in a file."""

    publishable_key: str
    write_key: str


def get_keys_file() -> Path:
    return Path(settings.VAR_DIR) / "secrets" / "storefront.json"


def read_storefront_keys() -> StorefrontKeys | None:
    """Return the keys from the file, or None if it does not exist or is not valid."""
    try:
        return StorefrontKeys(**json.loads(get_keys_file().read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def ensure_storefront_keys(*, now: datetime) -> bool:
    """Create the keys, or replace them if those of the file are not valid; return whether they changed."""
    keys = read_storefront_keys()
    if keys is not None and are_keys_valid(keys, now=now):
        return False
    write_storefront_keys(StorefrontKeys(publishable_key=make_api_key(now=now), write_key=make_write_key(now=now)))
    return True


def are_keys_valid(keys: StorefrontKeys, *, now: datetime) -> bool:
    grant = find_key_grant(keys.publishable_key, now=now)
    source = find_source_by_key(keys.write_key, now=now)
    return grant is not None and grant.publishable and source is not None and source.enabled


def make_api_key(*, now: datetime) -> str:
    """Return a new plain text for the shop's API key, which is created if it does not exist."""
    existing = ApiKey.objects.filter(name=NAME, kind=ApiKey.Kind.PUBLISHABLE, enabled=True, expires_at=None).first()
    if existing is not None:
        return rotate_api_key(key_id=existing.pk, now=now, overlap=NO_OVERLAP)
    _key, plain = create_api_key(name=NAME, kind=ApiKey.Kind.PUBLISHABLE, now=now)
    return plain


def make_write_key(*, now: datetime) -> str:
    source, _created = Source.objects.update_or_create(
        key=NAME,
        defaults={"enabled": True},
        create_defaults={"name": _("Demo storefront"), "kind": Source.Kind.BROWSER, "enabled": True},
    )
    return rotate_write_key(source_id=source.pk, now=now)


def write_storefront_keys(keys: StorefrontKeys) -> None:
    """Write the keys atomically to a file that only this user can read."""
    path = get_keys_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(keys)))
    draft.replace(path)
