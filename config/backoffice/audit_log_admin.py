"""Masks the audit log for users who may not see personal data."""

from typing import Any

from auditlog.models import LogEntry
from django.http import HttpRequest

from customers.identity.personal_data.masking import mask_json, mask_json_text, mask_text, may_see_personal


class MaskedLogEntries:
    """Mixin of the admin of audit log entries: masks the names of objects and the changed values.

    Entries of earlier versions contain traits and identifiers in plain text.
    """

    request: HttpRequest  # set by auditlog's admin

    def resource_url(self, obj: LogEntry) -> Any:
        return super().resource_url(self.mask_entry(obj))  # type: ignore[misc]

    def msg(self, obj: LogEntry) -> Any:
        return super().msg(self.mask_entry(obj))  # type: ignore[misc]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> LogEntry | None:
        entry = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        return self.mask_entry(entry) if entry is not None else None

    def mask_entry(self, entry: LogEntry) -> LogEntry:
        """Mask an entry in memory unless the reader may see personal data."""
        if may_see_personal(self.request):
            return entry
        entry.object_repr = mask_text(entry.object_repr)
        entry.additional_data = mask_json(entry.additional_data, among_traits=True)
        entry.changes = {name: mask_change(change) for name, change in (entry.changes or {}).items()}
        return entry


def mask_change(change: Any) -> Any:
    """Return a change, the old and the new value as texts or as JSON, with personal values masked."""
    if isinstance(change, list | tuple):
        return [mask_json_text(value) if isinstance(value, str) else mask_json(value) for value in change]
    return mask_json(change, among_traits=True)
