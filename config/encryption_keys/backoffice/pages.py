"""The page of encryption keys: which keys are in use, the progress of a rotation, and what to do next."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from config.encryption_keys.key_files import find_older_uses
from config.encryption_keys.models import KeyRotation, KeyUse
from config.encryption_keys.next_steps import KeyLine, describe_column, describe_next_step, find_count_time, list_keys
from config.encryption_keys.rotation import count_parts, find_open_rotation
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count

PERMISSION = "encryption_keys.view_keyrotation"


def show_keys(request: HttpRequest) -> HttpResponse:
    """Show ids of keys and counts of values, never a key."""
    check_permissions(request, PERMISSION)
    uses = list(KeyUse.objects.all())
    open_rotation = find_open_rotation()
    done, total = count_parts(open_rotation) if open_rotation else (0, 0)
    return render_page(
        request,
        "encryption_keys/overview.html",
        title=_("Encryption keys"),
        verdict=describe_next_step(uses),
        as_of=find_count_time(uses),
        keys=[describe_key(line) for line in list_keys(uses)],
        older=[
            {
                "column": describe_column(use),
                "key": use.key_id or _("unknown"),
                "values": format_count(use.values_count),
            }
            for use in find_older_uses(uses)
        ],
        progress=100 * done // total if total else None,
        rotations=KeyRotation.objects.order_by("-started_at")[:10],
        store=describe_store(),
    )


def describe_key(line: KeyLine) -> dict[str, Any]:
    return {
        "purpose": KeyUse.Purpose(line.purpose).label,
        "id": line.key_id or _("unknown"),
        "state": describe_state(line),
        "values": _("not counted") if line.values is None else format_count(line.values),
    }


def describe_state(line: KeyLine) -> str:
    if not line.key_id:
        return _("no key can decrypt these")
    if not line.is_verified:
        return _("cannot be verified")
    return _("in use") if line.is_current else _("older")


def describe_store() -> str:
    """Return where the keys are."""
    names = {
        "vault": _("The keys are wrapped by Vault. Each process unwraps them once, when it starts."),
        "command": _(
            "The keys are wrapped by the program set in KEY_COMMAND. Each process unwraps them once, when it starts."
        ),
    }
    return names.get(
        settings.KEY_STORE.name,
        _("The keys are in files that only this server’s user can read, or in the environment."),
    )
