"""Admin of profiles, stage changes, stage rules and runs; URLs of the lifecycle pages."""

from itertools import pairwise
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from config.foundation.admin.read_only import ReadOnlyAdmin
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice import (
    customer,
    drilldown_page,
    overview,
    score_pages,
    stage_rules_page,
    stages_page,
)
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name
from customers.lifecycle.models import CustomerProfile, LifecycleRun, StageRules, StageTransition
from customers.lifecycle.stages.rules import LEVELS, activate_rules, get_active_rules

STAGE_BADGES = {
    "new": "info",
    "active": "success",
    "loyal": "success",
    "reactivated": "primary",
    "at_risk": "warning",
    "dormant": "warning",
    "churned": "danger",
}


@admin.register(CustomerProfile)
class CustomerProfileAdmin(ReadOnlyAdmin):
    list_display_links = None  # the first column links to the page of the customer
    list_display = [
        "masked_customer_link",
        "stage_badge",
        "stage_since",
        "rfm_group",
        "r",
        "f",
        "m",
        "orders",
        "revenue",
        "value",
        "last_order_at",
        "next_stage_change_at",
    ]
    list_filter = ["stage", "rfm_group", "r", "f", "m"]
    list_select_related = ["customer"]
    search_fields = ["=customer__id"]
    search_help_text = gettext_lazy("Enter a complete user ID or a customer number.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerProfile]:
        return super().get_queryset(request).prefetch_related("customer__identifiers").defer(*PERSONAL_LOOKUPS)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[CustomerProfile], search_term: str
    ) -> tuple[QuerySet[CustomerProfile], bool]:
        term = search_term.strip()
        customer_ids = Identifier.objects.filter(value=term).values("customer_id")
        if term and not term.removeprefix("#").isdecimal():
            return queryset.filter(customer_id__in=customer_ids), False
        results, may_have_duplicates = super().get_search_results(request, queryset, term.removeprefix("#"))
        return (results | queryset.filter(customer_id__in=customer_ids)) if term else results, may_have_duplicates

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("customer/<int:customer_id>/", view(self.customer_view), name="lifecycle_customer"),
            path("lifecycle/", view(self.overview_view), name="lifecycle_overview"),
            path("lifecycle/stages/", view(self.stages_view), name="lifecycle_stages"),
            path("lifecycle/rfm/", view(self.rfm_view), name="lifecycle_rfm"),
            path("lifecycle/value/", view(self.value_view), name="lifecycle_value"),
            path("lifecycle/predictions/", view(self.predictions_view), name="lifecycle_predictions"),
            path("lifecycle/clusters/", view(self.clusters_view), name="lifecycle_clusters"),
            path("customers/", view(self.drilldown_view), name="lifecycle_drilldown"),
            *super().get_urls(),
        ]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        return overview.render_overview_page(request, model_admin=self)

    def stages_view(self, request: HttpRequest) -> HttpResponse:
        return stages_page.render_stages_page(request, model_admin=self)

    def rfm_view(self, request: HttpRequest) -> HttpResponse:
        return score_pages.render_rfm_page(request, model_admin=self)

    def value_view(self, request: HttpRequest) -> HttpResponse:
        return score_pages.render_value_page(request, model_admin=self)

    def predictions_view(self, request: HttpRequest) -> HttpResponse:
        return score_pages.render_predictions_page(request, model_admin=self)

    def clusters_view(self, request: HttpRequest) -> HttpResponse:
        return score_pages.render_clusters_page(request, model_admin=self)

    def drilldown_view(self, request: HttpRequest) -> HttpResponse:
        return drilldown_page.render_drilldown_page(request, model_admin=self)

    def customer_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        return customer.render_customer_page(request, model_admin=self, customer_id=customer_id)

    def get_list_display(self, request: HttpRequest) -> list[str]:
        if not may_see_personal(request):
            return list(self.list_display)
        return [name.removeprefix("masked_") for name in self.list_display]

    @display(description=gettext_lazy("customer"), ordering="customer_id")
    def customer_link(self, profile: CustomerProfile) -> SafeString:
        return format_profile_link(profile, with_personal=True)

    @display(description=gettext_lazy("customer"), ordering="customer_id")
    def masked_customer_link(self, profile: CustomerProfile) -> SafeString:
        return format_profile_link(profile, with_personal=False)

    @display(description=gettext_lazy("stage"), label=STAGE_BADGES, ordering="stage")
    def stage_badge(self, profile: CustomerProfile) -> tuple[str, str]:
        return profile.stage, profile.get_stage_display()


def format_profile_link(profile: CustomerProfile, *, with_personal: bool) -> SafeString:
    """Return a link to the page of the customer."""
    return format_html(
        '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>',
        reverse("admin:lifecycle_customer", args=[profile.pk]),
        get_customer_name(profile.customer, profile.customer.identifiers.all(), with_personal=with_personal),
    )


@admin.register(StageTransition)
class StageTransitionAdmin(ReadOnlyAdmin):
    list_display = ["at", "customer_link", "from_stage", "to_stage", "reason", "rules"]
    list_filter = ["to_stage", "from_stage", "reason"]
    list_select_related = ["customer", "rules"]
    search_fields = ["=customer__id"]
    search_help_text = gettext_lazy("Enter a customer number.")
    date_hierarchy = None

    @display(description=gettext_lazy("customer"), ordering="customer_id")
    def customer_link(self, transition: StageTransition) -> SafeString:
        return format_html(
            '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>',
            reverse("admin:lifecycle_customer", args=[transition.customer_id]),
            f"#{transition.customer_id}",
        )


class StageRulesForm(forms.ModelForm):
    """The form of the stage rules.

    Saving creates a version that is effective from now unless the user changes the time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "effective_from" in self.fields:
            self.initial["effective_from"] = timezone.now().replace(microsecond=0)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        self._check_quantiles(cleaned)
        self._check_gaps(cleaned)
        quantile = cleaned.get("loyal_revenue_quantile")
        if quantile is not None and not 0 < quantile < 1:
            self.add_error("loyal_revenue_quantile", _("Enter a value between 0 and 1, such as 0.8."))
        return cleaned

    def _check_quantiles(self, cleaned: dict[str, Any]) -> None:
        active, dormant = cleaned.get("active_gap_days"), cleaned.get("dormant_gap_days")
        if active is not None and dormant is not None and dormant < active:
            self.add_error("dormant_gap_days", _("Enter a value that is at least the active gap."))
        for name in ("second_gap_days", "median_gap_days", "active_gap_days", "order_gap_days"):
            if cleaned.get(name) is not None and cleaned[name] <= 0:
                self.add_error(name, _("Enter more than 0 days."))
        if cleaned.get("churned_multiple") is not None and cleaned["churned_multiple"] < 1:
            self.add_error("churned_multiple", _("Enter 1 or more."))
        min_p_alive = cleaned.get("min_p_alive")
        if min_p_alive is not None and not 0 <= min_p_alive < 1:
            self.add_error("min_p_alive", _("Enter a probability from 0 to less than 1, such as 0.2."))

    def _check_gaps(self, cleaned: dict[str, Any]) -> None:
        """Each level must be at least as strict as the one before."""
        for name in (f"{level}_{part}" for level in LEVELS for part in ("alarms", "share", "days")):
            value = cleaned.get(name)
            if value is None:
                continue
            if name.endswith("_alarms") and value <= 0:
                self.add_error(name, _("Enter more than 0, such as 0.25."))
            if name.endswith("_share") and not 0 < value <= 0.5:
                self.add_error(name, _("Enter a share from more than 0 to 0.5, such as 0.1."))
            if name.endswith("_days") and value < 0:
                self.add_error(name, _("Enter 0 days or more."))
        for earlier, later in pairwise(LEVELS):
            for part in ("alarms", "share"):
                low, high = cleaned.get(f"{later}_{part}"), cleaned.get(f"{earlier}_{part}")
                if low is not None and high is not None and low > high:
                    self.add_error(f"{later}_{part}", _("Enter a value that is not above that of the stage before."))
            low, high = cleaned.get(f"{earlier}_days"), cleaned.get(f"{later}_days")
            if low is not None and high is not None and high < low:
                self.add_error(f"{later}_days", _("Enter a value that is not below that of the stage before."))
        for name in ("guard_alive", "guard_churn"):
            if cleaned.get(name) is not None and not 0 <= cleaned[name] <= 1:
                self.add_error(name, _("Enter a probability from 0 to 1, such as 0.9."))

    def _get_validation_exclusions(self) -> set[str]:
        """Exclude the fields that the save sets from the validation."""
        return super()._get_validation_exclusions() | {"version", "is_active"}  # type: ignore[misc]

    def validate_constraints(self) -> None:
        """Do nothing: `clean` checks the same constraints and reports each at its field."""


@admin.register(StageRules)
class StageRulesAdmin(ModelAdmin):
    form = StageRulesForm
    change_form_template = "admin/lifecycle/stagerules/change_form.html"
    list_display = ["version_label", "is_active", "method", "effective_from", "measured_at", *(
        "second_gap_days", "median_gap_days", "loyal_orders", "loyal_revenue"
    )]  # fmt: skip
    readonly_fields = ["version", "created_at", "measured_at", "is_active"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "version",
                    "is_active",
                    "measured_at",
                    "created_at",
                    "effective_from",
                    "method",
                    "second_gap_days",
                    "median_gap_days",
                    "order_gap_days",
                    "loyal_orders",
                    "loyal_revenue",
                    "loyal_revenue_quantile",
                ]
            },
        ),
        (
            gettext_lazy("Method: false alarms per customer and year"),
            {
                "fields": [
                    *(f"{level}_{part}" for part in ("alarms", "share", "days") for level in LEVELS),
                    "guard_alive",
                    "guard_churn",
                ]
            },
        ),
        (
            gettext_lazy("Method: quantiles of gaps"),
            {
                "fields": [
                    "active_gap_days",
                    "dormant_gap_days",
                    "churned_multiple",
                    "min_p_alive",
                    "own_gaps_from_orders",
                ]
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="lifecycle_stagerules_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        return stage_rules_page.render_rules_preview(request, model_admin=self)

    def has_delete_permission(self, request: HttpRequest, obj: StageRules | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: StageRules | None = None) -> bool:
        """Only the active version can be edited."""
        return super().has_change_permission(request, obj) and (obj is None or obj.is_active)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        current = get_active_rules()
        names = [name for _title, options in self.fieldsets for name in options["fields"]]
        editable = [name for name in names if name not in self.readonly_fields]
        known = {name: getattr(current, name) for name in editable} if current else {}
        return {**known, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: StageRules, form: forms.ModelForm, change: bool) -> None:
        if change and not set(form.changed_data) - {"effective_from"}:
            self.message_user(request, _("No changes, so no version was created."), messages.INFO)
            return
        rules = activate_rules(**form.cleaned_data)
        obj.pk, obj.version, obj.is_active = rules.pk, rules.version, True
        message = _("Version %(version)d is active. The next refresh applies it.")
        self.message_user(request, message % {"version": rules.version}, messages.SUCCESS)

    @display(description=gettext_lazy("version"), ordering="version")
    def version_label(self, rules: StageRules) -> str:
        return str(rules)


@admin.register(LifecycleRun)
class LifecycleRunAdmin(ReadOnlyAdmin):
    list_display = ["as_of", "status_badge", "started_at", "finished_at", "rules", "customers", "transitions", "error"]
    list_filter = ["status"]
    list_select_related = ["rules"]

    @display(
        description=gettext_lazy("status"),
        label={"running": "info", "done": "success", "failed": "danger"},
        ordering="status",
    )
    def status_badge(self, run: LifecycleRun) -> tuple[str, str]:
        return run.status, run.get_status_display()
