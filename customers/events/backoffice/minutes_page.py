"""The page with the events per minute of the last hour, by source."""

from datetime import datetime
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.timezone import get_current_timezone_name, localtime
from django.utils.translation import gettext as _

from config.foundation.charts import build_stacked_chart
from config.foundation.charts.bars import Series
from config.foundation.number_formats import format_decimals
from customers.events.backoffice.activity import MINUTE, MinuteCounts, SourceMinuteCounts, count_events_by_minute
from customers.events.backoffice.event_page import render_page

MAX_CHART_SOURCES = 7


def render_minutes_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the chart and the tables."""
    counts = count_events_by_minute(as_of=timezone.now())
    labels = [f"{localtime(start):%H:%M}" for start in counts.starts]
    rejected = sum(counts.rejected)
    rows = [build_source_row(source) for source in counts.sources]
    if rejected:
        url = build_rejected_url(request, counts)
        rows.append(build_total_row(_("rejected"), rejected, max(counts.rejected), len(labels), url=url))
    return render_page(
        request,
        model_admin=model_admin,
        template="admin/events/minutes.html",
        title=_("Events per minute"),
        as_of=counts.as_of,
        time_zone=get_current_timezone_name(),
        total=sum(source.total for source in counts.sources) + rejected,
        rows=rows,
        chart=build_stacked_chart(
            labels=labels, series=build_chart_series(counts), x_title=_("Minute"), warning=_("rejected")
        ),
    )


def build_chart_series(counts: MinuteCounts) -> list[Series]:
    """Return a series for each of the largest sources, one for all others, and one for rejected events if there are any."""
    series = [
        Series(
            source.source.name,
            source.counts,
            links=[build_minute_url(start, source.source.pk) for start in counts.starts],
        )
        for source in counts.sources[:MAX_CHART_SOURCES]
    ]
    if rest := counts.sources[MAX_CHART_SOURCES:]:
        totals = [sum(minute) for minute in zip(*(source.counts for source in rest), strict=True)]
        series.append(Series(_("Other"), totals, links=[build_minute_url(start) for start in counts.starts]))
    if any(counts.rejected):
        series.append(Series(_("rejected"), counts.rejected))
    return series


def build_minute_url(start: datetime, source_id: int | None = None) -> str:
    """Return the URL of the list of one minute's events."""
    query = {"received_at__gte": start.isoformat(), "received_at__lt": (start + MINUTE).isoformat()}
    if source_id is not None:
        query["source__id__exact"] = str(source_id)
    return f"{reverse('admin:events_event_changelist')}?{urlencode(query)}"


def build_rejected_url(request: HttpRequest, counts: MinuteCounts) -> str:
    """Return the URL of the hour's rejected events; empty if this user may not view them."""
    if not request.user.has_perm("events.view_rejectedevent"):
        return ""
    query = urlencode({"status": "all", "received_at__gte": counts.starts[0].isoformat()})
    return f"{reverse('admin:events_rejectedevent_changelist')}?{query}"


def build_source_row(source: SourceMinuteCounts) -> dict[str, Any]:
    """Return the table row of a source."""
    url = f"{reverse('admin:events_live')}?{urlencode({'source': source.source.pk})}"
    row = build_total_row(source.source.name, source.total, source.peak, len(source.counts), url=url)
    return {**row, "simulated": source.source.is_simulated}


def build_total_row(name: str, total: int, peak: int, minutes: int, *, url: str) -> dict[str, Any]:
    """Return a table row with total, average per minute and peak."""
    return {
        "name": name,
        "url": url,
        "total": number_format(total, force_grouping=True),
        "average": format_decimals(total / minutes, 1),
        "peak": number_format(peak, force_grouping=True),
    }
