"""The built-in roles of the back office: groups that are created once and that operators may edit afterwards."""

from fnmatch import fnmatchcase
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connections, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.access.models import Role

VIEW_PERMISSIONS = (
    "catalog.view_*",
    "identity.view_customer",
    "identity.view_identifier",
    "identity.view_consent",
    "events.view_event",
    "orders.view_*",
    "feedback.view_*",
    "connectors.view_shopconnection",
    "destinations.view_destination",
    "imports.view_*",
    "warehouse.view_*",
    "lifecycle.view_*",
    "segments.view_*",
    "demand.view_*",
    "analytics.view_*",
    "anomalies.view_*",
    "intent.view_*",
    "loyalty.view_*",
    "shopping_agents.view_*",
    "training.view_*",
    "serving.view_*",
    "merchandising.view_*",
    "campaigns.view_*",
    "offers.view_*",
    "experiments.view_*",
    "messaging.view_*",
    "flows.view_*",
    "sending.view_*",
    "suggestions.view_*",
    "past_campaigns.view_*",
)
SENDING_PERMISSIONS = ("sending.*_suppression", "sending.change_sendingsettings", "sending.change_delivery")
# Role → patterns of the permissions it starts with. Unmasked personal data requires identity.view_personal.
ROLES: dict[str, tuple[str, ...]] = {
    "Analyst": (*VIEW_PERMISSIONS, "analytics.*", "anomalies.*"),
    "Marketer": (
        *VIEW_PERMISSIONS,
        "analytics.*",
        "anomalies.*",
        "segments.*",
        "campaigns.*",
        "messaging.*",
        "flows.*",
        "loyalty.*",
        "offers.*",
        "experiments.*",
        "suggestions.*",
        "past_campaigns.*",
        *SENDING_PERMISSIONS,
    ),
    "Merchandiser": (
        "analytics.*",
        "anomalies.*",
        "catalog.*",
        "demand.*",
        "intent.view_*",
        "orders.view_*",
        "feedback.view_*",
        "feedback.add_review",
        "feedback.change_*",
        "imports.view_*",
        "lifecycle.view_*",
        "segments.view_*",
        "training.view_*",
        "shopping_agents.*",
        "serving.*",
        "merchandising.*",
        "experiments.*",
        "suggestions.*",
    ),
    "Privacy officer": (
        "identity.*",
        "events.view_*",
        "orders.view_*",
        "feedback.view_*",
        "lifecycle.view_customerprofile",
        "destinations.view_destination",
        "loyalty.view_*",
        "policy.*",
        "privacy.*",
        "auditlog.view_*",
        "retention.*",
    ),
    "Operator": (
        "access.*",
        "auditlog.view_*",
        "axes.*",
        "connectors.*",
        "destinations.*",
        "django_celery_beat.*",
        "encryption_keys.view_*",
        "events.*",
        "imports.view_*",
        "lifecycle.view_*",
        "monitoring.*",
        "orders.add_order",  # with change_order: the import of past orders
        "orders.change_order",
        "processing.view_*",
        "sending.*",
        "shop.*",
        "training.*",
        "warehouse.*",
        "webhooks.*",
    ),
    "Administrator": ("*",),
}

# The names of the roles on the pages, and what users with the role do.
ROLE_LABELS: dict[str, str | Promise] = {
    "Analyst": _("Analyst"),
    "Marketer": _("Marketer"),
    "Merchandiser": _("Merchandiser"),
    "Privacy officer": _("Privacy officer"),
    "Operator": _("Operator"),
    "Administrator": _("Administrator"),
}
ROLE_DESCRIPTIONS: dict[str, str | Promise] = {
    "Analyst": _("reads all figures, no personal data"),
    "Marketer": _("reads all figures, creates segments and campaigns"),
    "Merchandiser": _("edits and imports the catalog, edits placements and rules"),
    "Privacy officer": _("sees, exports and erases personal data"),
    "Operator": _("manages imports, jobs, keys, sources and models"),
    "Administrator": _("does everything, including managing users and roles"),
}


def get_role_label(name: str) -> str:
    """Return the role's name in the reader's language; a role that an operator created keeps its name."""
    return str(ROLE_LABELS.get(name, name))


def ensure_roles_after_migrate(using: str, **kwargs: Any) -> None:
    """Create the roles, unless the table does not exist, as after `migrate access zero`."""
    if Role._meta.db_table in connections[using].introspection.table_names():
        ensure_roles()


def ensure_roles() -> None:
    """Create missing groups and grant each the permissions that are new since the last call.

    Called after every migration. Each permission is granted to a role once, so that whatever an operator removes, adds, renames or
    deletes stays that way.
    """
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    with transaction.atomic():
        for name, patterns in ROLES.items():
            labels = {label for label in permissions if any(fnmatchcase(label, pattern) for pattern in patterns)}
            grant_new_permissions(name, labels, permissions)


def grant_new_permissions(name: str, labels: set[str], permissions: dict[str, Permission]) -> None:
    role, is_new = Role.objects.get_or_create(name=name)
    if is_new:
        role.group, _created = Group.objects.get_or_create(name=name)
    new = labels - set(role.granted)
    if not new:
        return
    if role.group is not None:
        role.group.permissions.add(*(permissions[label] for label in new))
    role.granted = sorted(labels | set(role.granted))
    role.save()
