"""Keys and clients for the REST API."""

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from config.access.keys import create_api_key
from config.access.models import ApiKey


def make_key(*scopes: str, kind: str = "secret", is_test: bool = False, **fields: Any) -> tuple[ApiKey, str]:
    api_key, plain = create_api_key(name="program", kind=kind, scopes=scopes, now=datetime.now(UTC), is_test=is_test)
    if fields:
        ApiKey.objects.filter(pk=api_key.pk).update(**fields)
    return api_key, plain


def make_bearer_client(plain: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {plain}"})


def make_client(*scopes: str, **fields: Any) -> Client:
    return make_bearer_client(make_key(*scopes, **fields)[1])
