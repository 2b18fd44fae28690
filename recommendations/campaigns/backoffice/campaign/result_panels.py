"""The panels of a campaign's results: figures, comparison, path, skips and runs."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.charts.light import BarList, build_bar_list
from config.foundation.number_formats import (
    format_count,
    format_moment,
    format_money,
    format_percent,
    format_whole_money,
)
from config.foundation.slow_figures import get_figures
from recommendations.campaigns.backoffice.campaign.people_groups import GROUPS
from recommendations.campaigns.backoffice.labels import format_interval, format_points, format_signed_money
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults
from recommendations.sending.models import Delivery, SkipReason
from recommendations.sending.queue import DeliveryCounts, count_deliveries


def build_figures(campaign: Campaign, results: CampaignResults) -> list[dict[str, str]]:
    """Return what happened to the messages; shares are of those sent."""
    counts = results.deliveries

    def share(number: int) -> str:
        return format_percent(number / counts.sent) if counts.sent else ""

    machine = _("and %(count)s by a machine only") % {"count": format_count(max(counts.machine_opened, 0))}
    return [
        make_figure(campaign, "sent", counts.sent),
        make_figure(campaign, "delivered", counts.delivered, share(counts.delivered)),
        make_figure(campaign, "opened", counts.opened, f"{share(counts.opened)} · {machine}"),
        make_figure(campaign, "clicked", counts.clicked, share(counts.clicked)),
        make_figure(campaign, "unsubscribed", counts.unsubscribed, share(counts.unsubscribed)),
        make_figure(campaign, "complained", counts.complained, share(counts.complained)),
    ]


def make_figure(campaign: Campaign, group: str, number: int, note: str = "") -> dict[str, str]:
    return {
        "label": str(GROUPS[group].label),
        "value": format_count(number),
        "note": note.strip(" ·") if number or group == "opened" else "",
        "url": make_people_url(campaign, group) if number else "",
    }


def make_people_url(campaign: Campaign, group: str) -> str:
    return reverse("admin:campaigns_campaign_people", args=[campaign.pk, group])


def build_comparison(results: CampaignResults, currency: str) -> list[dict[str, str]]:
    """Return the rows of the comparison: measure, recipients, holdout group, difference and interval."""
    groups = (results.recipients, results.holdout)
    effect = results.effect
    per_customer = effect.revenue_per_customer if effect else None
    money = lambda value: format_signed_money(value, currency, exact=True)  # noqa: E731 — a format
    rows = [
        make_row(_("Customers"), [format_count(group.customers) for group in groups]),
        make_row(_("Reached the goal"), [format_count(group.converted) for group in groups]),
        make_row(
            _("Conversion rate"),
            [format_percent(group.conversion_rate, 2) for group in groups],
            format_points(effect.conversion.value) if effect else "",
            format_interval(effect.conversion, format_points) if effect else "",
        ),
        make_row(_("Orders"), [format_count(group.orders) for group in groups]),
        make_row(_("Revenue"), [format_whole_money(group.revenue, currency) for group in groups]),
        make_row(
            _("Revenue per customer"),
            [format_money(group.revenue_per_customer, currency) for group in groups],
            money(per_customer.value) if per_customer else "",
            format_interval(per_customer, money) if per_customer else "",
        ),
    ]
    clicked = results.recipients
    rows.append(
        make_row(
            _("Orders after a click"),
            [
                f"{format_count(clicked.orders_after_click)} · {format_whole_money(clicked.revenue_after_click, currency)}",
                "–",
            ],
        )
    )
    return rows


def make_row(label: str, values: list[str], difference: str = "", interval: str = "") -> dict[str, str]:
    return {
        "label": label,
        "recipients": values[0],
        "holdout": values[1],
        "difference": difference or "–",
        "interval": interval or "–",
    }


def build_path(campaign: Campaign, results: CampaignResults) -> BarList:
    """Return the customers at each step, from the segment to the click."""
    audience, counts = results.audience, results.deliveries
    included = audience.get("segment", 0) - audience.get("excluded", 0)
    reachable = included - audience.get("not_reachable", 0)
    consented = reachable - audience.get("no_consent", 0)
    measured = consented - audience.get("global_holdout", 0)
    steps = [
        (_("Segment"), audience.get("segment", 0), ""),
        (_("Not excluded"), included, ""),
        (_("Reachable"), reachable, ""),
        (_("Consented"), consented, ""),
        (_("Not in the global holdout group"), measured, ""),
        (_("Recipients, without the holdout group"), audience.get("queued", 0), "recipients"),
        (_("Sent"), counts.sent, "sent"),
        (_("Clicked"), counts.clicked, "clicked"),
    ]
    return build_bar_list(
        label=_("Customers at each step"),
        labels=[label for label, _number, _group in steps],
        values=[number for _label, number, _group in steps],
        texts=[format_count(number) for _label, number, _group in steps],
        links=[make_people_url(campaign, group) if group and number else "" for _label, number, group in steps],
    )


def build_skips(campaign: Campaign, results: CampaignResults) -> list[dict[str, Any]]:
    """Return who did not get the message, by reason, most frequent first."""
    rows = [
        {
            "label": capfirst(str(SkipReason(reason).label)) if reason in SkipReason.values else reason,
            "number": format_count(number),
            "url": make_people_url(campaign, f"skipped_{reason}") if f"skipped_{reason}" in GROUPS else "",
        }
        for reason, number in sorted(results.deliveries.by_skip_reason.items(), key=lambda item: -item[1])
    ]
    for status, group in (
        (Delivery.Status.BOUNCED, "bounced"),
        (Delivery.Status.FAILED, "failed"),
        (Delivery.Status.CANCELED, "canceled"),
    ):
        if number := results.deliveries.by_status.get(status, 0):
            rows.append(
                {
                    "label": str(GROUPS[group].label),
                    "number": format_count(number),
                    "url": make_people_url(campaign, group),
                }
            )
    return rows


def build_runs_table(request: HttpRequest, campaign: Campaign) -> Table:
    run_ids = list(campaign.runs.values_list("pk", flat=True))
    counts = get_figures(
        f"campaign.runs:{campaign.pk}:{campaign.status}:{len(run_ids)}",
        dict[int, DeliveryCounts],
        lambda: count_deliveries("campaign", run_ids),
    )
    return build_table(
        request,
        campaign.runs.select_related("template_version"),
        id="runs",
        label=gettext_lazy("Runs"),
        columns=[
            Column(key="number", label=gettext_lazy("Run"), align="text"),
            Column(key="started", label=gettext_lazy("Started"), align="text"),
            Column(key="status", label=gettext_lazy("Status"), align="text"),
            Column(key="version", label=gettext_lazy("Message version")),
            Column(key="segment", label=gettext_lazy("Segment")),
            Column(key="held_out", label=gettext_lazy("Holdout group")),
            Column(key="sent", label=gettext_lazy("Sent")),
        ],
        format_row=lambda run: {
            "number": Cell(f"#{run.number}"),
            "started": format_moment(run.started_at),
            "status": capfirst(run.get_status_display()),
            "version": run.template_version.number,
            "segment": format_count(run.counts.get("segment")),
            "held_out": format_count(run.counts.get("held_out")),
            "sent": format_count(counts[run.pk].sent),
        },
        page_size=10,
    )
