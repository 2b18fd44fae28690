"""Admin page of warehouse exports."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import ReadOnlyPermissions
from config.foundation.number_formats import format_count
from customers.warehouse.models import ExportRun


@admin.register(ExportRun)
class ExportRunAdmin(ReadOnlyPermissions, ModelAdmin):
    list_display = ["table", "part", "row_count", "started_at", "finished_at", "error"]
    list_filter = ["table"]
    search_fields = ["table", "error"]
    show_full_result_count = False

    @admin.display(description=_("rows"), ordering="rows")
    def row_count(self, run: ExportRun) -> str:
        return format_count(run.rows)
