"""The demo shop's two keys: made once, kept in a file of this user alone, made again where the database does not know them."""

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


def made() -> StorefrontKeys:
    keys = read_storefront_keys()
    assert keys is not None
    return keys


def test_keys_are_made_once_and_open_what_a_browser_may_do() -> None:
    assert read_storefront_keys() is None
    assert ensure_storefront_keys(now=NOON)
    keys = made()
    assert not ensure_storefront_keys(now=NOON)
    assert made() == keys
    grant, source = find_key_grant(keys.publishable_key, now=NOON), find_source_by_key(keys.write_key, now=NOON)
    assert grant is not None
    assert (grant.publishable, grant.scopes) == (True, frozenset())
    assert source is not None
    assert (source.key, source.kind) == ("storefront", Source.Kind.BROWSER)


def test_file_is_readable_by_this_user_alone() -> None:
    ensure_storefront_keys(now=NOON)
    assert stat.S_IMODE(get_keys_file().stat().st_mode) == 0o600
    assert [path.name for path in get_keys_file().parent.iterdir()] == ["storefront.json"]


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"publishable_key": "pk"}'])
def test_file_that_holds_something_else_is_written_again(content: str) -> None:
    ensure_storefront_keys(now=NOON)
    get_keys_file().write_text(content)
    assert read_storefront_keys() is None
    assert ensure_storefront_keys(now=NOON)
    assert find_key_grant(made().publishable_key, now=NOON) is not None


def test_keys_that_another_database_knew_are_made_again_for_the_same_key_and_source() -> None:
    ensure_storefront_keys(now=NOON)
    old = made()
    ApiKey.objects.update(key_hash="0" * 64)
    Source.objects.update(write_key_hash="0" * 64, enabled=False)
    clear_key_cache()
    clear_source_cache()
    assert ensure_storefront_keys(now=NOON)
    assert made() != old
    assert find_key_grant(made().publishable_key, now=NOON) is not None
    assert (ApiKey.objects.count(), Source.objects.get().enabled) == (1, True)


def test_secret_key_of_that_name_is_never_shown_to_browsers() -> None:
    ApiKey.objects.create(name="storefront", kind=ApiKey.Kind.SECRET, key_hash="1" * 64, scopes=["catalog:write"])
    ensure_storefront_keys(now=NOON)
    grant = find_key_grant(made().publishable_key, now=NOON)
    assert grant is not None
    assert grant.publishable
