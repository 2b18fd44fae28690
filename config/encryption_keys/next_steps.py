"""Describes the progress of a rotation, and what an operator must do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.conf import settings
from django.utils.translation import gettext as _

from config.encryption_keys.key_files import are_keys_in_files, find_older_uses, has_older_keys, list_removable_keys
from config.encryption_keys.models import KeyRotation, KeyUse
from config.encryption_keys.rotation import count_parts, find_open_rotation
from config.foundation.keys.key_ids import compute_key_id, get_hash_tag
from config.foundation.number_formats import format_count, join_label, join_sentences


@dataclass(frozen=True)
class KeyLine:
    """One key: its purpose, whether it writes, and how many values were under it at the last count; None if it was not counted.

    is_verified: False for hashes that name no key, while the values of which they were made cannot be read.
    """

    purpose: str
    key_id: str
    is_current: bool
    values: int | None
    is_verified: bool = True


def list_keys(uses: Sequence[KeyUse]) -> list[KeyLine]:
    """Return the keys of both purposes, newest first; values that no key can read get a line of their own."""
    lines = []
    is_readable = not find_unreadable(uses)
    for purpose, keys in ((KeyUse.Purpose.FIELD, settings.FIELD_KEYS), (KeyUse.Purpose.HASH, settings.HASH_KEYS)):
        own = [use for use in uses if use.purpose == purpose]
        ids = [compute_key_id(key) for key in keys]
        for number, key_id in enumerate(ids):
            total = sum(use.values_count for use in own if use.key_id == key_id)
            is_verified = is_readable or purpose == KeyUse.Purpose.FIELD or bool(get_hash_tag(keys[number]))
            lines.append(KeyLine(purpose, key_id, number == 0, total if uses else None, is_verified))
        if unknown := sum(use.values_count for use in own if use.key_id not in ids):
            lines.append(KeyLine(purpose, "", False, unknown))
    return lines


def find_unreadable(uses: Sequence[KeyUse]) -> list[KeyUse]:
    """Return the uses of keys that nobody has."""
    ids = {
        KeyUse.Purpose.FIELD: [compute_key_id(key) for key in settings.FIELD_KEYS],
        KeyUse.Purpose.HASH: [compute_key_id(key) for key in settings.HASH_KEYS],
    }
    return [use for use in uses if use.values_count and use.key_id not in ids[KeyUse.Purpose(use.purpose)]]


def describe_next_step(uses: Sequence[KeyUse]) -> str:
    """Return what to do next, in one or two sentences."""
    if find_unreadable(uses):
        return _(
            "Some values cannot be read with the present keys. Restore the missing key with %(restore)s, then run %(check)s."
        ) % {"restore": "manage.py restore_keys", "check": "manage.py check_keys"}
    if rotation := find_open_rotation():
        done, total = count_parts(rotation)
        return _(
            "A rotation is under way: %(done)s of %(total)s parts are done. If it was interrupted, run %(command)s again to continue."
        ) % {"done": format_count(done), "total": format_count(total), "command": "manage.py rotate_keys"}
    if not has_older_keys():
        return _(
            "There is one key for each purpose, and there is nothing to do. To rotate the keys, run %(command)s once a "
            "year, or immediately if a key may have been exposed."
        ) % {"command": "manage.py rotate_keys"}
    if not is_rotated():
        return _("There are new keys, but no values have been rotated yet. Run %(command)s.") % {
            "command": "manage.py rotate_keys"
        }
    if not uses:
        return _("Run %(command)s to count what the older keys are still used for.") % {
            "command": "manage.py check_keys"
        }
    if any((removable := list_removable_keys(uses)).values()):
        return join_sentences([describe_removal(), describe_lost_links() if removable[KeyUse.Purpose.FIELD] else ""])
    older = sum(use.values_count for use in find_older_uses(uses))
    return _(
        "Older keys are still needed for %(count)s values whose plain text is not stored, such as suppressed addresses "
        "and recovery codes. Keep the keys: each value moves to the new key when its address appears again, or is "
        "deleted when its retention period ends."
    ) % {"count": format_count(older)}


def describe_removal() -> str:
    """Return how to remove an older key that nothing in the database uses."""
    if are_keys_in_files():
        return _("An older key is not used any more. Back up the keys, then run %(command)s.") % {
            "command": "manage.py rotate_keys --finish"
        }
    return _("An older key is not used any more. Back up the keys, then remove it from the environment.")


def describe_lost_links() -> str:
    """Return what stops working with an older encryption key, although nothing in the database uses it."""
    return _(
        "Links to privacy choices, surveys and subscription forms in messages that were already sent stop working then: wait until "
        "customers no longer need them."
    )


def is_rotated() -> bool:
    """Return whether a rotation to the current keys has ended."""
    return KeyRotation.objects.filter(
        field_key_id=compute_key_id(settings.FIELD_KEYS[0]),
        hash_key_id=compute_key_id(settings.HASH_KEYS[0]),
        finished_at__isnull=False,
    ).exists()


def describe_column(use: KeyUse) -> str:
    """Return the readable name of a column."""
    model = apps.get_model(use.model)
    return join_label(model._meta.verbose_name_plural, model._meta.get_field(use.column).verbose_name)


def find_count_time(uses: Sequence[KeyUse]) -> datetime | None:
    return max((use.counted_at for use in uses), default=None)
