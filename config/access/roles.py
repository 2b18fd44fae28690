"""The roles of the back office: groups that are made once and belong to the operator from then on."""

from fnmatch import fnmatchcase
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connections, transaction

from config.access.models import Role

FIGURES = (
    "catalog.view_*",
    "identity.view_customer",
    "identity.view_identifier",
    "identity.view_consent",
    "events.view_event",
    "orders.view_*",
    "feedback.view_*",
    "warehouse.view_*",
    "lifecycle.view_*",
    "segments.view_*",
    "training.view_*",
    "serving.view_*",
    "merchandising.view_*",
    "campaigns.view_*",
)
# role → patterns of the permissions it starts with; personal data in clear needs identity.view_personal
ROLES: dict[str, tuple[str, ...]] = {
    "Analyst": FIGURES,
    "Marketer": (*FIGURES, "segments.*", "campaigns.*"),
    "Merchandiser": (
        "catalog.*",
        "orders.view_*",
        "feedback.view_*",
        "feedback.change_*",
        "lifecycle.view_*",
        "segments.view_*",
        "training.view_*",
        "serving.*",
        "merchandising.*",
    ),
    "Privacy officer": (
        "identity.*",
        "events.view_*",
        "orders.view_*",
        "feedback.view_*",
        "lifecycle.view_customerprofile",
        "auditlog.view_*",
    ),
    "Operator": (
        "access.*",
        "auditlog.view_*",
        "axes.*",
        "django_celery_beat.*",
        "events.*",
        "lifecycle.view_*",
        "processing.view_*",
        "training.*",
        "warehouse.*",
    ),
    "Administrator": ("*",),
}


def ensure_roles_after_migrate(using: str, **kwargs: Any) -> None:
    """Not while the table is away, as after `migrate access zero`."""
    if Role._meta.db_table in connections[using].introspection.table_names():
        ensure_roles()


def ensure_roles() -> None:
    """Makes the groups that don't exist yet and gives each the permissions that are new since the last time.

    Called after every migration. What an operator took from a group, added to it, renamed or deleted stays so: a
    permission is given to a role once.
    """
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    with transaction.atomic():
        for name, patterns in ROLES.items():
            wanted = {label for label in permissions if any(fnmatchcase(label, pattern) for pattern in patterns)}
            give(name, wanted, permissions)


def give(name: str, wanted: set[str], permissions: dict[str, Permission]) -> None:
    role, is_new = Role.objects.get_or_create(name=name)
    if is_new:
        role.group, _created = Group.objects.get_or_create(name=name)
    new = wanted - set(role.given)
    if not new:
        return
    if role.group is not None:
        role.group.permissions.add(*(permissions[label] for label in new))
    role.given = sorted(wanted | set(role.given))
    role.save()
