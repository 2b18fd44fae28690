"""Back-office list of processing runs, with results and the time of each stage."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import ReadOnlyPermissions
from config.foundation.number_formats import format_decimals, join_label
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun

COUNT_LABELS: dict[str, Promise] = {
    "customers_created": _("new customers"),
    "merges": _("merges"),
    "conflicts": _("conflicts"),
    "without_person": _("events without a customer"),
    "orders_created": _("new orders"),
    "orders_updated": _("updated orders"),
    "products_created": _("new products"),
    "reviews": _("reviews"),
    "unsubscribed": _("unsubscribed"),
    "rejected": _("rejected events"),
    "failed": _("failed"),
    "appended": _("rows added to the warehouse"),
}
STAGE_LABELS: dict[str, Promise] = {
    "read": _("reading"),
    "products": _("products"),
    "identity": _("identities"),
    "orders": _("orders"),
    "feedback": _("reviews"),
    "consents": _("consents"),
    "profiles": _("profiles"),
    "rejected": _("rejected events"),
    "release": _("removing from the outbox"),
    "warehouse": _("warehouse"),
    "links": _("linking recent interactions"),
    "files": _("publishing files"),
}


@admin.register(ProcessingRun)
class ProcessingRunAdmin(ReadOnlyPermissions, ModelAdmin):
    list_display = ["started_at", "status", "events", "duration", "speed", "waiting", "oldest_seconds", "error"]
    list_filter = ["status"]
    search_fields = ["error"]
    show_full_result_count = False
    list_before_template = "admin/processing/lag.html"
    fields = [
        "started_at", "finished_at", "status", "error", "waiting", "oldest_seconds", "events", "batches", "speed",
        "results", "stages",
    ]  # fmt: skip

    @admin.display(description=_("seconds"))
    def duration(self, run: ProcessingRun) -> str:
        return format_decimals(run.duration_seconds, 1)

    @admin.display(description=_("events per second"))
    def speed(self, run: ProcessingRun) -> str:
        return format_decimals(run.events_per_second, 0)

    @admin.display(description=_("Results"))
    def results(self, run: ProcessingRun) -> SafeString | str:
        rows = [
            (label, format_decimals(run.counts[name], 0))
            for name, label in COUNT_LABELS.items()
            if run.counts.get(name)
        ]
        return format_html_join("", "<div>{}</div>", ((join_label(*row),) for row in rows)) or "–"

    @admin.display(description=_("Seconds per stage"))
    def stages(self, run: ProcessingRun) -> SafeString | str:
        rows = [
            (label, format_decimals(run.stage_seconds[name], 2))
            for name, label in STAGE_LABELS.items()
            if name in run.stage_seconds
        ]
        return format_html_join("", "<div>{}</div>", ((join_label(*row),) for row in rows)) or "–"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        lag = measure_lag(at=timezone.now())
        return super().changelist_view(request, {**(extra_context or {}), "lag": lag})
