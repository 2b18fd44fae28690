"""The mark of a restore that has not ended. It needs no models, because programs read it before the apps are loaded."""

from pathlib import Path

from django.conf import settings


def get_restore_mark() -> Path:
    """Return the file that exists from the start of a restore until it ends."""
    return Path(settings.VAR_DIR) / "restoring"
