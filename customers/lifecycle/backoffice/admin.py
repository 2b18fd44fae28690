"""Admin of profiles, stage changes and runs; URLs of the lifecycle pages."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from config.foundation.admin.paginators import CappedPaginator
from config.foundation.admin.read_only import ReadOnlyAdmin
from config.foundation.number_formats import format_money
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice import (
    customer,
    drilldown_page,
    overview,
    score_pages,
    stages_page,
)
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name
from customers.lifecycle.backoffice.stage_rules_admin import StageRulesAdmin
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile, LifecycleRun, StageTransition

__all__ = ["StageRulesAdmin"]  # registered by its module

STAGE_BADGES = {
    "new": "info",
    "active": "success",
    "loyal": "success",
    "reactivated": "primary",
    "at_risk": "warning",
    "dormant": "warning",
    "churned": "danger",
}


class ScoreFilter(admin.AllValuesFieldListFilter):
    """Offers all scores instead of reading from all profiles which ones occur."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lookup_choices = [*range(1, 6), None]  # type: ignore[assignment]


@admin.register(CustomerProfile)
class CustomerProfileAdmin(ReadOnlyAdmin):
    paginator = CappedPaginator
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
        "formatted_revenue",
        "formatted_value",
        "last_order_at",
        "next_stage_change_at",
    ]
    list_filter = ["stage", "rfm_group", ("r", ScoreFilter), ("f", ScoreFilter), ("m", ScoreFilter)]
    list_select_related = ["customer"]
    search_fields = ["=customer__id"]
    search_help_text = gettext_lazy("Enter a complete user ID or a customer number.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerProfile]:
        profiles = super().get_queryset(request).annotate(amount_currency=Value(get_amount_currency()))
        return profiles.prefetch_related("customer__identifiers").defer(*PERSONAL_LOOKUPS)

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

    @display(description=gettext_lazy("revenue"), ordering="revenue")
    def formatted_revenue(self, profile: Any) -> str:
        return format_money(profile.revenue, profile.amount_currency)

    @display(description=gettext_lazy("predicted value"), ordering="value")
    def formatted_value(self, profile: Any) -> str:
        return format_money(profile.value, profile.amount_currency)

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
    paginator = CappedPaginator
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
