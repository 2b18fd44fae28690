"""The mark of a restore that has not ended. It needs no models, because programs read it before the apps are loaded."""

from pathlib import Path

from django.conf import settings


def get_restore_mark() -> Path:
    """Return the file that exists while a restore has begun and not ended."""
    return Path(settings.VAR_DIR) / "restoring"
