"""The names of roles and permissions in the reader's language, where they are granted: Django stores both in English."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.access.roles import get_role_label

ACTION_LABELS: dict[str, Promise] = {
    "add": _("Can add"),
    "change": _("Can change"),
    "delete": _("Can delete"),
    "view": _("Can view"),
}
# The permissions that models declare beside those four.
PERMISSION_LABELS: dict[str, Promise] = {
    "identity.view_personal": _("Can view names, email addresses, phone numbers and birthdays"),
    "segments.export_customers": _("Can export the customers list"),
    "campaigns.approve_campaign": _("Can approve campaigns of others"),
}


def get_permission_label(permission: Permission) -> str:
    """Return area, model and what is permitted; a permission that is not ours keeps its stored name."""
    content_type, codename = permission.content_type, permission.codename
    action = codename.removesuffix(f"_{content_type.model}")
    label = PERMISSION_LABELS.get(f"{content_type.app_label}.{codename}") or ACTION_LABELS.get(action)
    return f"{content_type} | {label or permission.name}"


class GrantedRolesField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return get_role_label(obj.name)


class GrantedPermissionsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return get_permission_label(obj)


class RoleFilter(admin.RelatedFieldListFilter):
    """A filter by role."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        choices = super().field_choices(field, request, model_admin)
        return [(key, get_role_label(str(name))) for key, name in choices]


class GrantLabels:
    """ModelAdmin mixin for users and groups: roles and permissions in the reader's language."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field_class = {Group: GrantedRolesField, Permission: GrantedPermissionsField}[db_field.related_model]
        return super().formfield_for_manytomany(db_field, request, **{"form_class": field_class, **kwargs})  # type: ignore[misc]
