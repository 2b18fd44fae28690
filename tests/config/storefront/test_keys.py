"""The demo shop's two keys: created once, stored in a private file, and replaced if the database does not know them."""

import stat
from pathlib import Path
from typing import Any

import pytest

from config.access.grants import clear_key_cache, find_key_grant
from config.access.models import ApiKey
from config.storefront.keys import StorefrontKeys, ensure_storefront_keys, get_keys_file, read_storefront_keys
from customers.events.models import Source
from customers.events.sources.write_keys import clear_source_cache, find_source_by_key
from tests.makers import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def read_keys() -> StorefrontKeys:
    keys = read_storefront_keys()
    assert keys is not None
    return keys


def test_keys_are_created_once_with_browser_permissions() -> None:
    assert read_storefront_keys() is None
    assert ensure_storefront_keys(now=NOON)
    keys = read_keys()
    assert not ensure_storefront_keys(now=NOON)
    assert read_keys() == keys
    grant, source = find_key_grant(keys.publishable_key, now=NOON), find_source_by_key(keys.write_key, now=NOON)
    assert grant is not None
    assert (grant.publishable, grant.scopes) == (True, frozenset())
    assert source is not None
    assert (source.key, source.kind) == ("storefront", Source.Kind.BROWSER)


def test_the_key_file_is_readable_only_by_its_owner() -> None:
    ensure_storefront_keys(now=NOON)
    assert stat.S_IMODE(get_keys_file().stat().st_mode) == 0o600
    assert [path.name for path in get_keys_file().parent.iterdir()] == ["storefront.json"]


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"publishable_key": "pk"}'])
def test_an_invalid_key_file_is_replaced(content: str) -> None:
    ensure_storefront_keys(now=NOON)
    get_keys_file().write_text(content)
    assert read_storefront_keys() is None
    assert ensure_storefront_keys(now=NOON)
    assert find_key_grant(read_keys().publishable_key, now=NOON) is not None


def test_keys_of_another_database_are_replaced_for_the_same_key_and_source() -> None:
    ensure_storefront_keys(now=NOON)
    old = read_keys()
    ApiKey.objects.update(key_hash="0" * 64)
    Source.objects.update(write_key_hash="0" * 64, enabled=False)
    clear_key_cache()
    clear_source_cache()
    assert ensure_storefront_keys(now=NOON)
    assert read_keys() != old
    assert find_key_grant(read_keys().publishable_key, now=NOON) is not None
    assert (ApiKey.objects.count(), Source.objects.get().enabled) == (1, True)


def test_a_secret_key_with_the_same_name_is_not_used() -> None:
    ApiKey.objects.create(name="storefront", kind=ApiKey.Kind.SECRET, key_hash="1" * 64, scopes=["catalog:write"])
    ensure_storefront_keys(now=NOON)
    grant = find_key_grant(read_keys().publishable_key, now=NOON)
    assert grant is not None
    assert grant.publishable
