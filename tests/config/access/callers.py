"""Callers of the REST API."""

from datetime import UTC, datetime
from typing import Any

from django.test import Client

from config.access.keys import create_api_key
from config.access.models import ApiKey


def make_key(*scopes: str, kind: str = "secret", **fields: Any) -> tuple[ApiKey, str]:
    api_key, plain = create_api_key(name="program", kind=kind, scopes=scopes, now=datetime.now(UTC))
    if fields:
        ApiKey.objects.filter(pk=api_key.pk).update(**fields)
    return api_key, plain


def bearer(plain: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {plain}"})


def caller(*scopes: str, **fields: Any) -> Client:
    return bearer(make_key(*scopes, **fields)[1])
