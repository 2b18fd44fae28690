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
    format_percent,
)
from config.foundation.slow_figures import get_figures
from recommendations.campaigns.backoffice.access import EXPORT
from recommendations.campaigns.backoffice.campaign.people_groups import GROUPS
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults
from recommendations.sending.channels.email import has_delivery_reports
from recommendations.sending.models import Delivery, SkipReason
from recommendations.sending.queue import DeliveryCounts, count_deliveries


def build_figures(campaign: Campaign, results: CampaignResults) -> list[dict[str, str]]:
    """Return what happened to the messages; shares are of those sent."""
    counts = results.deliveries

    def share(number: int) -> str:
        return format_percent(number / counts.sent) if counts.sent else ""

    is_wecom = campaign.channel == "wecom"
    confirmed = _("confirmed by the employee and sent by WeCom") if is_wecom else ""
    machine = _("and %(count)s by a machine only") % {"count": format_count(counts.machine_only)}
    return [
        make_figure(campaign, "sent", counts.sent, _("given to employees as tasks") if is_wecom else ""),
        make_delivered_figure(campaign, counts, f"{share(counts.delivered)} · {confirmed}"),
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


def make_delivered_figure(campaign: Campaign, counts: DeliveryCounts, note: str) -> dict[str, str]:
    """Return how many messages were reported as delivered; unknown, which is not 0, if none was reported."""
    figure = make_figure(campaign, "delivered", counts.delivered, note)
    if counts.delivered or not counts.sent or campaign.channel == "wecom":
        return figure
    is_silent = campaign.channel == "email" and not has_delivery_reports()
    unknown = _("your mail server reports no deliveries") if is_silent else _("no delivery has been reported")
    return {**figure, "value": "–", "note": unknown}


def make_people_url(campaign: Campaign, group: str) -> str:
    return reverse("admin:campaigns_campaign_people", args=[campaign.pk, group])


def build_path(campaign: Campaign, results: CampaignResults) -> BarList:
    """Return the customers at each step, from the segment to the click; of several runs, their messages added up."""
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
        label=_("Messages at each step, all runs") if results.runs > 1 else _("Customers at each step"),
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
        (Delivery.Status.UNCERTAIN, "uncertain"),
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


def build_exports_table(request: HttpRequest, campaign: Campaign) -> Table | None:
    """Return the exports with a link to the file of those who were held out; None for other channels."""
    if campaign.channel != Campaign.Channel.EXPORT:
        return None
    may_download = request.user.has_perm(EXPORT)
    return build_table(
        request,
        campaign.exports.defer("held_out_ids"),
        id="exports",
        label=gettext_lazy("Exports"),
        columns=[
            Column(key="exported", label=gettext_lazy("Exported at"), align="text"),
            Column(key="rows", label=gettext_lazy("Rows")),
            Column(key="held_out", label=gettext_lazy("Holdout group")),
            Column(key="file", label=gettext_lazy("Holdout group list"), align="text"),
        ],
        format_row=lambda export: {
            "exported": format_moment(export.exported_at),
            "rows": format_count(export.rows),
            "held_out": format_count(export.held_out),
            "file": Cell(_("Download as CSV"), url=reverse("admin:campaigns_audienceexport_holdout", args=[export.pk]))
            if export.held_out and may_download
            else "–",
        },
        page_size=10,
    )
