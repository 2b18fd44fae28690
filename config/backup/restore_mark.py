"""The mark of a restore that has not ended. It needs no models, because programs read it before the apps are loaded."""

import json
from pathlib import Path

from django.conf import settings


def get_restore_mark() -> Path:
    """Return the file that exists from the start of a restore until it ends, or until it fails without a change."""
    return Path(settings.VAR_DIR) / "restoring"


def write_restore_mark(*, backup: str, folder: str, is_changed: bool) -> None:
    """Write the mark. is_changed: whether the restore, or an earlier one that did not end, may have changed anything."""
    text = json.dumps({"backup": backup, "folder": folder, "is_changed": is_changed})
    get_restore_mark().write_text(text)


def has_restore_changed() -> bool:
    """Return whether a restore that has not ended may have changed anything."""
    try:
        return bool(json.loads(get_restore_mark().read_text()).get("is_changed", True))
    except FileNotFoundError:
        return False
    except ValueError:
        return True
