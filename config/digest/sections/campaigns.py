"""The campaigns that were sent in the week, with how many got and clicked the message."""

from django.urls import reverse
from django.utils.translation import gettext as _

from config.digest.sections.base import DigestRow, DigestSection, SectionContent
from config.digest.weeks import DigestWeek
from config.foundation.number_formats import format_count, format_percent
from recommendations.campaigns.models import CampaignRun
from recommendations.sending.queue import count_deliveries

MAX_CAMPAIGNS = 8


def build_campaigns(week: DigestWeek) -> SectionContent | None:
    """Return a line for each campaign run of the week; None without any."""
    started = CampaignRun.objects.filter(started_at__gte=week.days.start, started_at__lt=week.days.end)
    runs = list(started.select_related("campaign").order_by("-started_at")[:MAX_CAMPAIGNS])
    counts = count_deliveries("campaign", [run.pk for run in runs]) if runs else {}
    rows = []
    for run in runs:
        count = counts.get(run.pk)
        detail = ""
        if count is not None and count.sent:
            detail = _("%(sent)s sent, %(clicked)s clicked (%(share)s)") % {
                "sent": format_count(count.sent),
                "clicked": format_count(count.clicked),
                "share": format_percent(count.clicked / count.sent),
            }
        rows.append(
            DigestRow(run.campaign.name, detail, reverse("admin:campaigns_campaign_change", args=[run.campaign_id]))
        )
    return SectionContent(_("Campaigns sent"), rows=tuple(rows)) if rows else None


CAMPAIGNS = DigestSection("campaigns", "campaigns.view_campaign", build_campaigns)
