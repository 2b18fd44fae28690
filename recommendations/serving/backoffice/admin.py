from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recommendations.engine.placements import FOR_YOU, SCENARIOS
from recommendations.placement_labels import place_name
from recommendations.serving.backoffice import audience_page, performance_page
from recommendations.serving.backoffice import pages as pages_module
from recommendations.serving.backoffice.rule_preview_page import rule_preview_page
from recommendations.serving.backoffice.search import admin as search_admin
from recommendations.serving.models import (
    PerformanceDay,
    PerformanceRun,
    PositionBiasRun,
    Preview,
    ScenarioSettings,
)
from recommendations.training.backoffice.labels.algorithm_labels import algorithm_name
from recommendations.training.models import ModelVersion

__all__ = ["search_admin"]  # registers what search has in the back office


@admin.register(Preview)
class PreviewAdmin(ModelAdmin):
    """No list: one page that shows recommendations as anybody would get them, and two that other rooms link to."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("audience/<path:product_id>/", wrap(self.audience), name="serving_audience"),
            path("similar/<path:product_id>/", wrap(self.similar), name="serving_similar"),
            path("customer/<int:customer_id>/", wrap(self.for_customer), name="serving_for_customer"),
            path("rule/", wrap(self.rule), name="serving_rule_preview"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return pages_module.preview_page(request, model_admin=self)

    def audience(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return audience_page.audience_page(request, model_admin=self, product_id=product_id)

    def similar(self, request: HttpRequest, product_id: str) -> HttpResponse:
        return pages_module.similar_page(request, model_admin=self, product_id=product_id)

    def rule(self, request: HttpRequest) -> HttpResponse:
        return rule_preview_page(request, model_admin=self)

    def for_customer(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return pages_module.customer_page(request, model_admin=self, customer_id=customer_id)


class ScenarioSettingsForm(forms.ModelForm):
    class Meta:
        model = ScenarioSettings
        exclude = ["scenario"]  # noqa: DJ006 — all others, also those to come

    def clean_weights(self) -> dict[str, float]:
        """Errors: whatever is no share of a part that the active model has."""
        weights = self.cleaned_data["weights"] or {}
        known = parts_of_the_active_model()
        if not isinstance(weights, dict):
            raise forms.ValidationError(_("Give an object of parts and their shares, such as {“item-knn”: 0.6}."))
        for name, share in weights.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1000:
                raise forms.ValidationError(
                    _("%(part)s: %(share)s is no share; give a number from 0 to 1000.") % {"part": name, "share": share}
                )
            if known and name not in known:
                raise forms.ValidationError(
                    _("The active model has no part %(part)s; it has %(known)s.")
                    % {"part": name, "known": ", ".join(sorted(known))}
                )
        if weights and not any(weights.values()):
            raise forms.ValidationError(_("At least one share must be above 0; leave it empty for what was trained."))
        return weights

    def clean_fallback(self) -> str:
        fallback = self.cleaned_data["fallback"]
        if fallback and fallback == self.instance.scenario:
            raise forms.ValidationError(_("A place can't take over from itself; choose another one."))
        return fallback


def parts_of_the_active_model() -> set[str]:
    parameters = (
        ModelVersion.objects.filter(scenario=FOR_YOU, status=ModelVersion.Status.ACTIVE)
        .values_list("parameters", flat=True)
        .first()
    )
    return set((parameters or {}).get("components", {}))


@admin.register(ScenarioSettings)
class ScenarioSettingsAdmin(ModelAdmin):
    """One line a place; nobody adds or removes any."""

    form = ScenarioSettingsForm
    list_display = ["scenario", "switch", "made_of", "takes_over", "diversity", "rotation", "updated_at"]
    list_display_links = ["scenario"]
    readonly_fields = ["updated_at"]
    fieldsets = [
        (None, {"fields": ["switch", "fallback", "weights", "personal"]}),
        (
            gettext_lazy("What is shown"),
            {"fields": ["bought", "diversity", "rotation", "rotation_hours", "exploration"]},
        ),
        (gettext_lazy("What the shop earns"), {"fields": ["margin_weight", "stock_weight", "updated_at"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("made of"))
    def made_of(self, obj: ScenarioSettings) -> str:
        """The weights that were set, else those a place starts with; a training's own stand on the model's card."""
        weights = obj.weights or SCENARIOS[obj.scenario].weights
        if not weights:
            return _("as the model was trained") if obj.scenario == FOR_YOU else "–"
        return ", ".join(f"{algorithm_name(name)} {share:g}" for name, share in weights.items())

    @display(description=gettext_lazy("takes over"))
    def takes_over(self, obj: ScenarioSettings) -> str:
        fallback = obj.fallback or SCENARIOS[obj.scenario].fallback
        return place_name(fallback) if fallback else "–"


class ToLookAt(ModelAdmin):
    """What a program counted: to look at, not to type in."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PerformanceDay)
class PerformanceAdmin(ToLookAt):
    """No list of rows: one page of what they sum up to."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return performance_page.performance_page(request, model_admin=self)


@admin.register(PerformanceRun)
class PerformanceRunAdmin(ToLookAt):
    list_display = ("started_at", "status", "first_day", "last_day", "finished_at", "error")
    list_filter = ("status",)


@admin.register(PositionBiasRun)
class PositionBiasRunAdmin(ToLookAt):
    list_display = ("started_at", "status", "impressions", "clicks", "finished_at", "error")
    list_filter = ("status",)
