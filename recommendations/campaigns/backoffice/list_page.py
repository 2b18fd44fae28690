"""The list of campaigns: what is running, what comes next, and the results."""

from collections import Counter
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.number_formats import format_count, format_moment, format_percent, join_list
from config.foundation.slow_figures import get_figures
from recommendations.campaigns.backoffice.access import ADD, VIEW
from recommendations.campaigns.backoffice.campaign.message_test_panel import describe_tests
from recommendations.campaigns.backoffice.labels import describe_schedule, describe_status, list_statuses
from recommendations.campaigns.models import EXPORTED, Campaign, CampaignRun, CampaignSettings
from recommendations.sending.queue import count_deliveries

PAGE_SIZE = 25
COLUMNS = (
    Column(key="name", label=gettext_lazy("Campaign"), sort="name", align="text"),
    Column(key="status", label=gettext_lazy("Status"), sort="shown_status", align="text"),
    Column(key="segment", label=gettext_lazy("Segment"), align="text"),
    Column(key="channel", label=gettext_lazy("Channel"), align="text"),
    Column(key="next", label=gettext_lazy("Next run"), sort="next_run_at", align="text"),
    Column(key="last", label=gettext_lazy("Last run"), sort="last_run_at", align="text"),
    Column(key="sent", label=gettext_lazy("Sent")),
    Column(key="opened", label=gettext_lazy("Opened")),
    Column(key="clicked", label=gettext_lazy("Clicked")),
)


def show_list(request: HttpRequest) -> HttpResponse:
    """Show all campaigns, newest first; ``?status=`` shows those of one status."""
    check_permissions(request, VIEW)
    status = request.GET.get("status", "")
    campaigns = Campaign.objects.with_shown_status().select_related("segment")
    campaigns = campaigns.annotate(
        last_run_at=Subquery(
            CampaignRun.objects.filter(campaign=OuterRef("pk")).order_by("-started_at").values("started_at")[:1]
        )
    )
    statuses = list_statuses()
    if status in dict(statuses):
        campaigns = campaigns.filter(shown_status=status)
    return render_page(
        request,
        "admin/campaigns/list.html",
        title=_("Campaigns"),
        verdict=describe_campaigns(),
        table=build_campaign_table(request, campaigns),
        statuses=[(key, label, key == status) for key, label in statuses],
        chosen_status=status,
        can_add=request.user.has_perm(ADD),
        settings=CampaignSettings.objects.first() or CampaignSettings(),
        can_change_settings=request.user.has_perm("campaigns.change_campaignsettings"),
    )


def describe_campaigns() -> str:
    """Return one sentence on what is running and what waits."""
    numbers = Counter(Campaign.objects.with_shown_status().values_list("shown_status", flat=True))
    parts = [
        text % {"count": format_count(numbers[status])}
        for status, text in (
            (Campaign.Status.RUNNING, _("%(count)s running")),
            (Campaign.Status.SCHEDULED, _("%(count)s scheduled")),
            (Campaign.Status.WAITING, _("%(count)s waiting for approval")),
            (Campaign.Status.PAUSED, _("%(count)s paused")),
            (EXPORTED, _("%(count)s exported")),
            (
                Campaign.Status.DRAFT,
                ngettext("%(count)s draft", "%(count)s drafts", numbers[Campaign.Status.DRAFT]),
            ),
        )
        if numbers[status]
    ]
    return _("%(parts)s.") % {"parts": join_list(parts)} if parts else ""


def build_campaign_table(request: HttpRequest, campaigns: QuerySet[Campaign]) -> Table:
    tests = describe_tests()
    totals = get_figures("campaigns:totals", dict[int, list[int]], count_by_campaign)
    return build_table(
        request,
        campaigns,
        id="campaigns",
        label=gettext_lazy("Campaigns"),
        columns=COLUMNS,
        format_row=lambda campaign: format_campaign(
            campaign, *totals.get(campaign.pk, (0, 0, 0)), test=tests.get(campaign.pk, "")
        ),
        default_sort="",
        page_size=PAGE_SIZE,
    )


def count_by_campaign() -> dict[int, list[int]]:
    """Return how many messages of each campaign were sent, opened and clicked."""
    campaigns = dict(CampaignRun.objects.values_list("pk", "campaign_id"))
    totals: dict[int, list[int]] = {}
    for run_id, counts in count_deliveries("campaign", list(campaigns)).items():
        total = totals.setdefault(campaigns[run_id], [0, 0, 0])
        for number, value in enumerate((counts.sent, counts.opened, counts.clicked)):
            total[number] += value
    return totals


def format_campaign(campaign: Any, sent: int, opened: int, clicked: int, *, test: str) -> dict[str, Any]:
    status = describe_status(campaign)
    if test:
        status = f"{status} · {test}"
    return {
        "name": Cell(campaign.name, url=reverse("admin:campaigns_campaign_change", args=[campaign.pk])),
        "status": Cell(f"{status} · {_('simulated')}" if campaign.is_simulated else status, title=campaign.problem),
        "segment": Cell(
            campaign.segment.name, url=reverse("admin:segments_segment_overview", args=[campaign.segment_id])
        ),
        "channel": capfirst(campaign.get_channel_display()),
        "next": Cell(format_moment(campaign.next_run_at), title=describe_schedule(campaign)),
        "last": format_moment(campaign.last_run_at),
        "sent": format_count(sent) if sent else None,
        "opened": format_percent(opened / sent) if sent else None,
        "clicked": format_percent(clicked / sent) if sent else None,
    }
