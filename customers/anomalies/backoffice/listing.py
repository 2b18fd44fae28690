"""Which anomalies are shown: of the last weeks, with days of missing data as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.anomalies.backoffice.texts import AnomalyTexts, format_weekday, load_texts
from customers.anomalies.models import Anomaly, AnomalyKind

SHOWN_DAYS = 28
# a day on Home for so long
ATTENTION = timedelta(days=3)


@dataclass
class ShownAnomaly:
    """An anomaly with its sentences; since: the first of consecutive days with missing data."""

    anomaly: Anomaly
    deviation: str
    explanation: str
    since: date | None = None

    @property
    def reason(self) -> str:
        """The known reason; empty without one."""
        return self.anomaly.annotation.text if self.anomaly.annotation is not None else ""


def list_anomalies(*, until: date, days: int = SHOWN_DAYS) -> list[Anomaly]:
    """Return the anomalies of the last days, newest first."""
    since = until - timedelta(days=days - 1)
    return list(Anomaly.objects.filter(day__gte=since, day__lte=until).select_related("annotation"))


def show_anomalies(anomalies: Sequence[Anomaly]) -> list[ShownAnomaly]:
    """Return anomalies with their sentences; consecutive days on which the same data is missing are one."""
    texts = load_texts(anomalies)
    shown: list[ShownAnomaly] = []
    open_gaps: dict[str, ShownAnomaly] = {}
    for anomaly in anomalies:
        gap = open_gaps.get(anomaly.metric)
        if anomaly.kind == AnomalyKind.MISSING and gap and (gap.since or gap.anomaly.day) - anomaly.day == timedelta(1):
            gap.since = anomaly.day
            gap.deviation = describe_gap(texts, gap)
            continue
        row = ShownAnomaly(anomaly, texts.describe_deviation(anomaly), texts.describe_explanation(anomaly))
        if anomaly.kind == AnomalyKind.MISSING:
            open_gaps[anomaly.metric] = row
        shown.append(row)
    return shown


def describe_gap(texts: AnomalyTexts, gap: ShownAnomaly) -> str:
    """Return the sentence on several days of missing data."""
    assert gap.since is not None
    values = {"first": format_weekday(gap.since), "last": format_weekday(gap.anomaly.day)}
    if gap.anomaly.metric == "visitors":
        return _("No events arrived from %(first)s to %(last)s. Collection has probably stopped.") % values
    return _("No orders arrived from %(first)s to %(last)s. The data is probably missing.") % values


def summarize_latest(*, as_of: datetime) -> tuple[str, Anomaly] | None:
    """Return a sentence on the latest day with anomalies without a known reason, for Home; None if there is none in three days."""
    since = (as_of - ATTENTION).date()
    rows = list(Anomaly.objects.filter(day__gte=since, annotation=None).order_by("-day", "p_value"))
    rows = [row for row in rows if row.day == rows[0].day]
    if not rows:
        return None
    # missing data first, because it can be fixed
    rows.sort(key=lambda row: row.kind != AnomalyKind.MISSING)
    text = load_texts(rows[:1]).describe(rows[0])
    if len(rows) > 1:
        more = ngettext("%(count)d more metric was unusual.", "%(count)d more metrics were unusual.", len(rows) - 1)
        text = f"{text} {more % {'count': len(rows) - 1}}"
    return text, rows[0]
