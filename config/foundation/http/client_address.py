"""The address of the client of a request, as far as it can be trusted."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings


def get_client_address(environ: Mapping[str, Any]) -> str:
    """Return the address that connected, or the one that the shop's own proxies report.

    Each of the ``TRUSTED_PROXY_COUNT`` proxies in front of the server appends the address that connected to it to
    X-Forwarded-For. Everything to the left of these entries is what the client claims, so it is ignored.
    """
    peer = str(environ.get("REMOTE_ADDR") or "")
    count: int = settings.TRUSTED_PROXY_COUNT
    if not count:
        return peer
    addresses = [part.strip() for part in str(environ.get("HTTP_X_FORWARDED_FOR") or "").split(",") if part.strip()]
    return addresses[-count] if len(addresses) >= count else peer
