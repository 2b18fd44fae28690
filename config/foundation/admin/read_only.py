"""Admin classes for records that the application writes and staff only view."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import TabularInline

from config.foundation.admin.model_admin import ModelAdmin


class AddDisabled:
    """Mixin: records cannot be added in the back office."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChangeDisabled:
    """Mixin: records cannot be changed in the back office."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeleteDisabled:
    """Mixin: records cannot be deleted in the back office."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyPermissions(AddDisabled, ChangeDisabled, DeleteDisabled):
    """Mixin: records can only be viewed."""


class ReadOnlyAdmin(ReadOnlyPermissions, ModelAdmin):
    """Lists and shows records; large tables are not counted in full."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(ReadOnlyPermissions, TabularInline):
    """Shows related records in a table without any controls."""

    extra = 0
