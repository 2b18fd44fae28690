"""Campaigns › Results › Past campaigns: what was redeemed, and why this says nothing about the effect."""

from typing import Any

from django.db.models import F, Func, IntegerField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import (
    format_count,
    format_decimals,
    format_full_day,
    format_money,
    format_percent,
    format_whole_money,
    join_sentences,
)
from config.foundation.slow_figures import get_figures
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.past_campaigns.evidence import BEFORE_DAYS, GroupSpending, PastEvidence, gather_evidence
from recommendations.past_campaigns.models import PastCampaign

VIEW = "past_campaigns.view_pastcampaign"
PAGE_SIZE = 15
DIFFERENT = 1.1  # ratio of spending before the start; chance alone rarely exceeds it with a few hundred recipients
COLUMNS = (
    Column(key="name", label=gettext_lazy("Campaign"), align="text"),
    Column(key="kind", label=gettext_lazy("Type"), sort="kind", align="text"),
    Column(key="first", label=gettext_lazy("First day"), sort="starts_on", align="text"),
    Column(key="last", label=gettext_lazy("Last day"), sort="ends_on", align="text"),
    Column(key="recipients", label=gettext_lazy("Recipients"), sort="recipients"),
    Column(key="redeemers", label=gettext_lazy("Redeemed a coupon")),
    Column(key="rate", label=gettext_lazy("Redemption rate")),
)


def check_view(request: HttpRequest) -> None:
    check_permissions(request, VIEW)


def show_campaigns(request: HttpRequest) -> HttpResponse:
    """Show all past campaigns, newest first."""
    check_view(request)
    campaigns = PastCampaign.objects.annotate(
        recipients=Func(F("recipient_ids"), function="cardinality", output_field=IntegerField())
    ).defer("recipient_ids", "redemption_days")
    total = PastCampaign.objects.count()
    return render_page(
        request,
        "admin/past_campaigns/list.html",
        title=_("Past campaigns"),
        verdict=ngettext(
            "%(count)s campaign of another system, without a holdout group: it shows who redeemed coupons, not its incremental lift.",
            "%(count)s campaigns of another system, without a holdout group: they show who redeemed coupons, not their incremental lift.",
            total,
        )
        % {"count": format_count(total)}
        if total
        else "",
        table=build_table(
            request,
            campaigns,
            id="campaigns",
            label=gettext_lazy("Past campaigns"),
            columns=COLUMNS,
            format_row=format_campaign,
            default_sort="-first",
            page_size=PAGE_SIZE,
        ),
    )


def format_campaign(campaign: Any) -> dict[str, Any]:
    redeemers = len(set(campaign.redeemer_ids))
    return {
        "name": Cell(campaign.name, url=reverse("past_campaigns:campaign", args=[campaign.pk])),
        "kind": _("%(kind)s, targeted") % {"kind": campaign.kind} if campaign.is_targeted else campaign.kind,
        "first": format_full_day(campaign.starts_on),
        "last": format_full_day(campaign.ends_on),
        "recipients": format_count(campaign.recipients),
        "redeemers": format_count(redeemers),
        "rate": format_percent(redeemers / campaign.recipients) if campaign.recipients else None,
    }


def show_campaign(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show one past campaign: its redemptions, and how its recipients differed from other customers before it started."""
    check_view(request)
    campaign = get_object_or_404(PastCampaign, pk=campaign_id)
    now = timezone.now()
    evidence = get_figures(f"past-campaign:{campaign.pk}", PastEvidence, lambda: gather_evidence(campaign, as_of=now))
    currency = get_amount_currency()
    return render_page(
        request,
        "admin/past_campaigns/campaign.html",
        title=campaign.name,
        verdict=describe_selection(evidence),
        campaign=campaign,
        products=format_count(campaign.products),
        period=_("%(first)s to %(last)s")
        % {"first": format_full_day(campaign.starts_on), "last": format_full_day(campaign.ends_on)},
        figures=build_figures(campaign, evidence, currency),
        rows=[
            build_row(_("Recipients"), evidence.recipients, currency),
            build_row(_("Other customers"), evidence.others, currency),
        ],
        before_days=BEFORE_DAYS,
    )


def describe_selection(evidence: PastEvidence) -> str:
    """Return what can be concluded, first of all that the effect is unknown."""
    unknown = _("The effect of this campaign is unknown, because nobody was held out at random.")
    if evidence.ratio is None or not evidence.recipients.customers:
        return unknown
    if 1 / DIFFERENT < evidence.ratio < DIFFERENT:
        return join_sentences([unknown, _("Recipients spent about as much as other customers before the campaign.")])
    spent = _("Recipients had already spent %(factor)s times as much as other customers before the campaign.")
    return join_sentences([unknown, spent % {"factor": format_decimals(evidence.ratio, 1)}])


def build_figures(campaign: PastCampaign, evidence: PastEvidence, currency: str) -> list[dict[str, str]]:
    return [
        {"label": _("Recipients"), "value": format_count(evidence.recipients_count)},
        {"label": _("Redeemed a coupon"), "value": format_count(evidence.redeemers)},
        {"label": _("Redemption rate"), "value": format_percent(evidence.redemption_rate)},
        {"label": _("Redeemed coupons"), "value": format_count(evidence.redemptions)},
        {"label": _("Orders with coupons"), "value": format_count(evidence.orders_with_coupon)},
        {
            "label": _("Revenue with coupons"),
            "value": format_whole_money(evidence.revenue_with_coupon, currency),
            "note": _("attribution, not effect"),
        },
    ]


def build_row(label: str, group: GroupSpending, currency: str) -> dict[str, str]:
    return {
        "label": label,
        "customers": format_count(group.customers),
        "orders": format_decimals(group.orders_before, 1),
        "before": format_money(group.revenue_before, currency),
        "during": format_money(group.revenue_during, currency),
    }
