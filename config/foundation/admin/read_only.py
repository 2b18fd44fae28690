"""Admin classes for records that the application writes and staff only view."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline


class AddDisabled:
    """Mixin: nobody adds records in the back office."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ChangeDisabled:
    """Mixin: nobody changes records in the back office."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeleteDisabled:
    """Mixin: nobody deletes records in the back office."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyPermissions(AddDisabled, ChangeDisabled, DeleteDisabled):
    """Mixin: records can be viewed and nothing else."""


class ReadOnlyAdmin(ReadOnlyPermissions, ModelAdmin):
    """Lists and shows records; large tables are not counted in full."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(ReadOnlyPermissions, TabularInline):
    """Shows related records in a table without any controls."""

    extra = 0
