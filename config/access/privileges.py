"""Nobody grants what they do not hold: limits of staff who manage users, groups and API keys."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils.translation import gettext as _

from config.access.scopes import list_user_scopes


def find_missing_scopes(user: Any, scopes: Iterable[str]) -> list[str]:
    """Return the scopes that a back-office user does not hold."""
    return sorted(set(scopes) - list_user_scopes(user))


def describe_missing_scopes(missing: Iterable[str]) -> str:
    """Return the error for scopes that the user may not grant."""
    return _("You cannot grant %(scopes)s, because you do not have these permissions yourself.") % {
        "scopes": ", ".join(missing)
    }


def filter_grantable_permissions(user: Any, permissions: QuerySet[Permission] | None = None) -> QuerySet[Permission]:
    """Return the permissions that a user holds, which are those the user may grant."""
    permissions = Permission.objects.all() if permissions is None else permissions
    if user.is_superuser:
        return permissions
    name = Concat(F("content_type__app_label"), Value("."), F("codename"))
    return permissions.annotate(full_name=name).filter(full_name__in=user.get_all_permissions())


def filter_grantable_groups(user: Any, groups: QuerySet[Group] | None = None) -> QuerySet[Group]:
    """Return the groups without a permission that the user lacks."""
    groups = Group.objects.all() if groups is None else groups
    if user.is_superuser:
        return groups
    beyond = Permission.objects.exclude(pk__in=filter_grantable_permissions(user).values("pk"))
    return groups.exclude(permissions__in=beyond)


def can_manage_user(manager: Any, user: User) -> bool:
    """Return whether a manager may change a user, which includes the password and so everything the user may do."""
    if manager.is_superuser:
        return True
    return not user.is_superuser and user.get_all_permissions() <= manager.get_all_permissions()


def can_manage_group(manager: Any, group: Group) -> bool:
    """Return whether a manager holds every permission of a group."""
    return filter_grantable_groups(manager, Group.objects.filter(pk=group.pk)).exists()


class GrantLimits:
    """ModelAdmin mixin for users and groups: only what the manager holds can be chosen."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and db_field.name in ("permissions", "user_permissions"):
            field.queryset = filter_grantable_permissions(request.user, field.queryset)
        elif field is not None and db_field.name == "groups":
            field.queryset = filter_grantable_groups(request.user, field.queryset)
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))  # type: ignore[misc]
        hides_superuser = not request.user.is_superuser and self.model is User  # type: ignore[attr-defined]
        return [*fields, "is_superuser"] if hides_superuser else fields

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._can_manage(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._can_manage(request, obj)  # type: ignore[misc]

    def _can_manage(self, request: HttpRequest, obj: Any) -> bool:
        if isinstance(obj, User):
            return can_manage_user(request.user, obj)
        return obj is None or can_manage_group(request.user, obj)
