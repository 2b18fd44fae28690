"""Checks of the settings for HTTPS, which `up`, `check` and every other command run."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security)
def check_https_settings(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn if every request would be redirected for ever: the web server has no TLS, so only a proxy can report HTTPS."""
    if not settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER is not None:
        return []
    return [
        Warning(
            "HTTPS_ONLY=true without BEHIND_TLS_PROXY=true: requests through a proxy are redirected to HTTPS again and again.",
            hint="Set BEHIND_TLS_PROXY=true if your proxy sets X-Forwarded-Proto and removes it from what clients send.",
            id="perennial.W001",
        )
    ]
