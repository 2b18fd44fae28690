from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import AddDisabled, DeleteDisabled, ReadOnlyPermissions
from recommendations.serving.backoffice import audience_page, pages, rule_preview_page
from recommendations.serving.backoffice.performance import page as performance_page
from recommendations.serving.backoffice.placements import page as placements_page
from recommendations.serving.backoffice.placements.settings_form import PlacementSettingsForm
from recommendations.serving.backoffice.search import admin as search_admin
from recommendations.serving.models import (
    PerformanceDay,
    PerformanceRun,
    PlacementSettings,
    PositionBiasRun,
    Preview,
)

__all__ = ["search_admin"]  # registers the admin pages of search


@admin.register(Preview)
class PreviewAdmin(ReadOnlyPermissions, ModelAdmin):
    """No list of rows: the preview page, and the pages that products and customers link to."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("audience/<path:product_id>/", wrap(self.audience_view), name="serving_audience"),
            path("similar/<path:product_id>/", wrap(self.similar_view), name="serving_similar"),
            path("customer/<int:customer_id>/", wrap(self.customer_view), name="serving_for_customer"),
            path("rule/", wrap(self.rule_view), name="serving_rule_preview"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return pages.show_preview_page(request, model_admin=self)

    def audience_view(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return audience_page.show_audience_page(request, model_admin=self, product_id=product_id)

    def similar_view(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return pages.show_similar_page(request, model_admin=self, product_id=product_id)

    def rule_view(self, request: HttpRequest) -> HttpResponse:
        return rule_preview_page.show_rule_preview_page(request, model_admin=self)

    def customer_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return pages.show_customer_page(request, model_admin=self, customer_id=customer_id)


@admin.register(PlacementSettings)
class PlacementSettingsAdmin(AddDisabled, DeleteDisabled, ModelAdmin):
    """A page of cards instead of a list; rows are neither added nor deleted by hand."""

    form = PlacementSettingsForm
    readonly_fields = ["updated_at"]
    fieldsets = [
        (None, {"fields": ["switch", "fallback", "weights", "personal_share"]}),
        (
            gettext_lazy("Products shown"),
            {
                "fields": [
                    "purchased_products",
                    "max_purchased_share",
                    "diversity",
                    "rotation",
                    "rotation_hours",
                    "exploration",
                    "visit_share",
                ]
            },
        ),
        (gettext_lazy("Margin and stock"), {"fields": ["margin_weight", "stock_weight", "updated_at"]}),
    ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return placements_page.show_placements_page(request, model_admin=self)


class ReadOnlyServingAdmin(ReadOnlyPermissions, ModelAdmin):
    """Results of jobs, which nobody edits by hand."""


@admin.register(PerformanceDay)
class PerformanceAdmin(ReadOnlyServingAdmin):
    """No list of rows: one page with their totals."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return performance_page.show_performance_page(request, model_admin=self)


@admin.register(PerformanceRun)
class PerformanceRunAdmin(ReadOnlyServingAdmin):
    list_display = ("started_at", "status", "first_day", "last_day", "finished_at", "error")
    list_filter = ("status",)


@admin.register(PositionBiasRun)
class PositionBiasRunAdmin(ReadOnlyServingAdmin):
    list_display = ("started_at", "status", "impressions", "clicks", "finished_at", "error")
    list_filter = ("status",)
