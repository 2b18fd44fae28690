"""The anomalies of the week."""

from django.urls import reverse
from django.utils.translation import gettext as _

from config.digest.sections.base import DigestRow, DigestSection, SectionContent
from config.digest.weeks import DigestWeek
from config.foundation.number_formats import join_sentences
from customers.anomalies.backoffice.listing import list_anomalies, show_anomalies
from customers.anomalies.models import MetricDay

MAX_ROWS = 8


def build_anomalies(week: DigestWeek) -> SectionContent | None:
    """Return the unusual days; None if no metric was evaluated in the week."""
    days = week.days
    shown = show_anomalies(list_anomalies(until=days.last, days=days.days))
    note = ""
    if not shown:
        if not MetricDay.objects.filter(day__range=(days.first, days.last), low__isnull=False).exists():
            return None
        note = _("No metric was outside its expected range.")
    rows = [
        DigestRow(
            join_sentences([row.deviation, row.explanation]),
            _("Known reason: %(reason)s") % {"reason": row.reason} if row.reason else "",
            reverse("anomalies:anomaly", args=[row.anomaly.pk]),
        )
        for row in shown[:MAX_ROWS]
    ]
    return SectionContent(
        _("Unusual days"), rows=tuple(rows), note=note, url=reverse("anomalies:list"), action=_("All anomalies")
    )


ANOMALIES = DigestSection("anomalies", "anomalies.view_anomaly", build_anomalies)
