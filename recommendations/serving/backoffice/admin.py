from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from config.foundation.admin.read_only import AddDisabled, DeleteDisabled, ReadOnlyPermissions
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.backoffice import audience_page, pages, rule_preview_page
from recommendations.serving.backoffice.performance import page as performance_page
from recommendations.serving.backoffice.placements import page as placements_page
from recommendations.serving.backoffice.search import admin as search_admin
from recommendations.serving.models import (
    PerformanceDay,
    PerformanceRun,
    PlacementSettings,
    PositionBiasRun,
    Preview,
)
from recommendations.training.models import ModelVersion

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


class PlacementSettingsForm(forms.ModelForm):
    class Meta:
        model = PlacementSettings
        exclude = ["placement"]  # noqa: DJ006 — every other field, including future ones
        help_texts = {
            "switch": gettext_lazy(
                "“Automatic” shows the placement if an evaluation has found it better than its fallback. Placements that were never "
                "evaluated stay off, except popular, new, recently viewed and similar products and “For you”. “On” shows it in any case."
            ),
            "weights": gettext_lazy(
                "Weight of each algorithm, such as {“item-knn”: 0.6, “content”: 0.4}. If empty, the trained weights are used. Weights set "
                "here are used even for algorithms that the training found unhelpful."
            ),
        }

    def clean_weights(self) -> dict[str, float]:
        """Check that every key is an algorithm of the active model and every weight a number."""
        weights = self.cleaned_data["weights"] or {}
        known = list_active_components()
        if not isinstance(weights, dict):
            raise forms.ValidationError(_("Enter a JSON object of algorithms and weights, such as {“item-knn”: 0.6}."))
        for name, share in weights.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1000:
                raise forms.ValidationError(
                    _("%(algorithm)s: %(weight)s is not a valid weight (0 to 1000).")
                    % {"algorithm": name, "weight": share}
                )
            if known and name not in known:
                raise forms.ValidationError(
                    _("Unknown algorithm %(algorithm)s; the active model has: %(valid)s.")
                    % {"algorithm": name, "valid": ", ".join(sorted(known))}
                )
        if weights and not any(weights.values()):
            raise forms.ValidationError(
                _("At least one weight must be above 0. Leave the field empty to use the trained weights.")
            )
        return weights

    def clean_fallback(self) -> str:
        fallback = self.cleaned_data["fallback"]
        if fallback and fallback == self.instance.placement:
            raise forms.ValidationError(_("A placement cannot be its own fallback. Choose another one."))
        return fallback


def list_active_components() -> set[str]:
    parameters = (
        ModelVersion.objects.filter(scenario=FOR_YOU, status=ModelVersion.Status.ACTIVE)
        .values_list("parameters", flat=True)
        .first()
    )
    return set((parameters or {}).get("components", {}))


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
