"""The results of all campaigns with a holdout group: what each of them caused."""

from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_percent
from config.foundation.slow_figures import get_figures_soon
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.campaigns.backoffice.access import VIEW
from recommendations.campaigns.models import AudienceExport, Campaign, CampaignRun
from recommendations.campaigns.results.summary import CampaignResults, compute_results, name_results
from recommendations.measurement.presentation.formats import format_interval, format_points, format_signed_money

PAGE_SIZE = 10
VERDICTS: dict[str, str | Promise] = {
    "no_runs": gettext_lazy("canceled before a message reached anyone"),
    "no_holdout": gettext_lazy("no holdout group"),
    "uneven_groups": gettext_lazy("groups are uneven"),
    "increase": gettext_lazy("increase"),
    "decrease": gettext_lazy("decrease"),
    "no_effect": gettext_lazy("no effect found"),
    "too_few": gettext_lazy("too few to tell"),
}
COLUMNS = (
    Column(key="name", label=gettext_lazy("Campaign"), align="text"),
    Column(key="verdict", label=gettext_lazy("Result"), align="text"),
    Column(key="revenue", label=gettext_lazy("Additional revenue")),
    Column(key="interval", label=gettext_lazy("95% interval")),
    Column(key="sent", label=gettext_lazy("Sent")),
    Column(key="rate", label=gettext_lazy("Recipients")),
    Column(key="holdout", label=gettext_lazy("Holdout group")),
    Column(key="effect", label=gettext_lazy("Difference in points")),
)


def show_results(request: HttpRequest) -> HttpResponse:
    """Show the campaigns that were sent, newest first."""
    check_permissions(request, VIEW)
    currency, now = get_amount_currency(), timezone.now()
    campaigns = Campaign.objects.filter(
        Exists(CampaignRun.objects.filter(campaign=OuterRef("pk")))
        | Exists(AudienceExport.objects.filter(campaign=OuterRef("pk")))
    ).order_by("-created_at", "-id")

    def format_row(campaign: Campaign) -> dict[str, Any]:
        results = get_figures_soon(
            name_results(campaign),
            CampaignResults,
            lambda: compute_results(campaign, as_of=now),
        )
        if results is None:
            return {"name": make_name_cell(campaign), "verdict": _("being counted")}
        return format_results(campaign, results, currency)

    return render_page(
        request,
        "admin/campaigns/results.html",
        title=_("Results"),
        table=build_table(
            request,
            campaigns,
            id="results",
            label=gettext_lazy("Results"),
            columns=COLUMNS,
            format_row=format_row,
            page_size=PAGE_SIZE,
        ),
    )


def format_results(campaign: Campaign, results: CampaignResults, currency: str) -> dict[str, Any]:
    comparison = results.comparison
    is_small = comparison.revenue is None and comparison.has_holdout
    verdict = VERDICTS["too_few"] if is_small else VERDICTS.get(comparison.verdict, "")
    total = comparison.revenue.total if comparison.revenue and comparison.detectability else None
    return {
        "name": make_name_cell(campaign),
        "verdict": verdict
        if comparison.is_final or comparison.revenue is None
        else _("%(verdict)s so far") % {"verdict": verdict},
        "revenue": format_signed_money(total.value, currency) if total else None,
        "interval": format_interval(total, lambda value: format_signed_money(value, currency)) if total else None,
        "sent": format_count(results.deliveries.sent),
        "rate": format_percent(comparison.treated.conversion_rate, 2),
        "holdout": format_percent(comparison.control.conversion_rate, 2),
        "effect": format_points(comparison.conversion.effect.value) if comparison.conversion else None,
    }


def make_name_cell(campaign: Campaign) -> Cell:
    return Cell(campaign.name, url=reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
