"""Admin page of warehouse exports."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from config.foundation.admin.read_only import ReadOnlyPermissions
from customers.warehouse.models import ExportRun


@admin.register(ExportRun)
class ExportRunAdmin(ReadOnlyPermissions, ModelAdmin):
    list_display = ["table", "part", "rows", "started_at", "finished_at", "error"]
    list_filter = ["table"]
    search_fields = ["table", "error"]
    show_full_result_count = False
