"""Origins of web pages: which ones a key or a source allows, entered by people and compared with what browsers send."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MAX_ORIGINS = 100  # of one key or source


def clean_origins(texts: Iterable[str]) -> list[str]:
    """Return origins as browsers send them, each once. Errors: ValidationError."""
    origins = list(dict.fromkeys(clean_origin(text) for text in texts))
    if len(origins) > MAX_ORIGINS:
        message = _("%(number)d origins were entered; the maximum is %(maximum)d.")
        raise ValidationError(message % {"number": len(origins), "maximum": MAX_ORIGINS})
    return origins


def clean_origin(text: str) -> str:
    """Return scheme, host and port as a browser sends them. Errors: ValidationError for anything else."""
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        url, port = urlsplit(""), None
    has_more = url.path.strip("/") or url.query or url.fragment or url.username is not None
    if url.scheme not in ("http", "https") or not url.hostname or "*" in url.hostname or has_more:
        message = _("“%(origin)s” is not a valid origin; enter scheme and host, for example https://shop.example.")
        raise ValidationError(message % {"origin": text})
    try:
        host = url.hostname.encode("idna").decode() if not url.hostname.isascii() else url.hostname
    except UnicodeError as error:
        message = _("“%(origin)s” is not a valid origin; enter scheme and host, for example https://shop.example.")
        raise ValidationError(message % {"origin": text}) from error
    if ":" in host:
        host = f"[{host}]"
    is_default = port in (None, {"http": 80, "https": 443}[url.scheme])
    return f"{url.scheme}://{host}" if is_default else f"{url.scheme}://{host}:{port}"
