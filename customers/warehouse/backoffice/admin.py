"""Back office: what was exported when."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from customers.warehouse.models import ExportRun


@admin.register(ExportRun)
class ExportRunAdmin(ModelAdmin):
    list_display = ["table", "part", "rows", "started_at", "finished_at", "error"]
    list_filter = ["table"]
    search_fields = ["table", "error"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ExportRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ExportRun | None = None) -> bool:
        return False
