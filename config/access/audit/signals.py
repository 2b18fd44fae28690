"""Gives every entry of the audit log its actor, and records what django-auditlog does not: roles, rights and keys."""

from collections.abc import Mapping
from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import Group, User
from django.db import models
from django.db.models.signals import m2m_changed, pre_save
from import_export.signals import post_export, post_import

from config.access.models import ApiKey
from config.foundation.audit_log import find_actor, make_actor_fields, record_action, record_export
from customers.events.models import Source

RIGHTS = ("is_superuser", "is_staff", "is_active")
CREATE, UPDATE, DELETE = LogEntry.Action.CREATE, LogEntry.Action.UPDATE, LogEntry.Action.DELETE
# m2m table → name of the event
MEMBERSHIPS: Mapping[type[models.Model], str] = {
    User.groups.through: "user.groups_changed",
    User.user_permissions.through: "user.permissions_changed",
    Group.permissions.through: "group.permissions_changed",
}


def connect_audit_log() -> None:
    """Start recording; called when the apps are loaded."""
    pre_save.connect(complete_entry, sender=LogEntry, dispatch_uid="config.access.audit.complete_entry")
    post_export.connect(record_file_export, dispatch_uid="config.access.audit.record_file_export")
    post_import.connect(record_file_import, dispatch_uid="config.access.audit.record_file_import")
    for through in MEMBERSHIPS:
        m2m_changed.connect(record_membership, sender=through, dispatch_uid=f"config.access.audit.{through.__name__}")
    auditlog.register(ApiKey, exclude_fields=["key_hash", "previous_hash", "last_used_at"])
    auditlog.register(
        User,
        exclude_fields=["last_login"],
        mask_fields=["password", "first_name", "last_name", "email"],
        mask_callable="customers.identity.personal_data.audit_masking.mask_value",
    )
    auditlog.register(Group)


def record_file_export(sender: None, model: type[models.Model], **kwargs: Any) -> None:
    """Record a download of django-import-export, which sends the signal before its response."""
    record_export(model=model)


def record_file_import(sender: None, model: type[models.Model], **kwargs: Any) -> None:
    """Record an upload of django-import-export."""
    record_action("data.imported", model=model)


def complete_entry(sender: type[LogEntry], instance: LogEntry, **kwargs: Any) -> None:
    """Add actor, address and event to an entry that django-auditlog makes."""
    data = instance.additional_data
    if not instance._state.adding or (isinstance(data, dict) and "actor" in data):
        return
    fields = make_actor_fields(find_actor(), event=find_event(instance))
    instance.actor_id = instance.actor_id or fields["actor_id"]
    instance.remote_addr = instance.remote_addr or fields["remote_addr"]
    instance.additional_data = (data if isinstance(data, dict) else {}) | fields["additional_data"]


def find_event(entry: LogEntry) -> str:
    """Return the event that the change of an object means; empty if it is a plain change."""
    model = entry.content_type.model_class()
    changes = entry.changes if isinstance(entry.changes, dict) else {}
    if model is ApiKey:
        return {CREATE: "api_key.created", DELETE: "api_key.deleted"}.get(
            entry.action, "api_key.rotated" if "hint" in changes else "api_key.changed"
        )
    if entry.action != UPDATE:
        return ""
    if model is User:
        if any(name in changes for name in RIGHTS):
            return "user.rights_changed"
        return "user.password_changed" if "password" in changes else ""
    if model is Source:
        if "write_key_hint" in changes:
            return "write_key.rotated"
        return "token_key.replaced" if "sealed_token_key" in changes else ""
    return ""


def record_membership(
    sender: type[models.Model],
    instance: User | Group,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[int] | None,
    **kwargs: Any,
) -> None:
    """Record roles and permissions that are given or taken; `clear` is recorded before it, while they are still known."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    if action == "pre_clear":
        pk_set = set(find_related(sender, instance, reverse=reverse))
    if not pk_set:
        return
    related = model._default_manager.filter(pk__in=pk_set)
    change = "added" if action == "post_add" else "removed"
    if reverse:  # group.user_set.add(user): the entry is about each user, because rights belong to the user
        for user in related:
            record_action(MEMBERSHIPS[sender], instance=user, label=str(user), details={change: [str(instance)]})
        return
    names = [str(name) for name in describe_related(related)]
    record_action(MEMBERSHIPS[sender], instance=instance, label=str(instance), details={change: names})


def find_related(through: type[models.Model], instance: models.Model, *, reverse: bool) -> list[int]:
    """Return the ids on the other side of an m2m table."""
    columns = [field for field in through._meta.fields if field.is_relation]
    own = next(field for field in columns if field.related_model is type(instance))
    other = next(field for field in columns if field is not own)
    rows = through._default_manager.filter(**{own.attname: instance.pk})
    return list(rows.values_list(other.attname, flat=True))


def describe_related(related: models.QuerySet) -> list[str]:
    """Return names of groups, or of permissions such as `identity.view_personal`."""
    if related.model is Group:
        return sorted(related.values_list("name", flat=True))
    return sorted(
        f"{label}.{codename}" for label, codename in related.values_list("content_type__app_label", "codename")
    )
