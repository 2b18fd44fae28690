"""Which anomalies are shown: of the last weeks, with consecutive days of the same metric and direction as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import join_sentences
from config.foundation.shop.profile import get_time_zone
from customers.anomalies.backoffice.texts import AnomalyTexts, format_weekday, load_texts
from customers.anomalies.models import Anomaly, AnomalyKind

SHOWN_DAYS = 28
# how long a day with anomalies stays on Home
ATTENTION = timedelta(days=3)


@dataclass
class ShownAnomaly:
    """The latest of consecutive anomalies of a metric in the same direction, with its sentences. since: the first day."""

    anomaly: Anomaly
    deviation: str
    explanation: str
    since: date

    @property
    def reason(self) -> str:
        """The known reason; empty without one."""
        return self.anomaly.annotation.text if self.anomaly.annotation is not None else ""


def list_anomalies(*, until: date, days: int = SHOWN_DAYS) -> list[Anomaly]:
    """Return the anomalies of the last days, newest first."""
    since = until - timedelta(days=days - 1)
    return list(Anomaly.objects.filter(day__gte=since, day__lte=until).select_related("annotation"))


def show_anomalies(anomalies: Sequence[Anomaly]) -> list[ShownAnomaly]:
    """Return anomalies, newest first, with their sentences; consecutive days are merged unless their known reasons differ."""
    texts = load_texts(anomalies)
    shown: list[ShownAnomaly] = []
    latest: dict[tuple[str, str], ShownAnomaly] = {}
    for anomaly in anomalies:
        row = latest.get((anomaly.metric, anomaly.kind))
        if row and row.since - anomaly.day == timedelta(1) and row.anomaly.annotation == anomaly.annotation:
            row.since = anomaly.day
            continue
        row = ShownAnomaly(
            anomaly, texts.describe_deviation(anomaly), texts.describe_explanation(anomaly), since=anomaly.day
        )
        latest[anomaly.metric, anomaly.kind] = row
        shown.append(row)
    for row in shown:
        describe_duration(texts, row)
    return shown


def describe_duration(texts: AnomalyTexts, row: ShownAnomaly) -> None:
    """Add to the sentences since when it has lasted, if there are several days."""
    if row.since == row.anomaly.day:
        return
    values = {"first": format_weekday(row.since), "last": format_weekday(row.anomaly.day)}
    if row.anomaly.kind != AnomalyKind.MISSING:
        text = _("This has been the case every day since %(first)s.") % values
    elif row.anomaly.metric == "visitors":
        row.deviation = _("No events arrived from %(first)s to %(last)s. Collection has probably stopped.") % values
        return
    else:
        row.deviation = _("No orders arrived from %(first)s to %(last)s. The data is probably missing.") % values
        return
    row.explanation = join_sentences([row.explanation, text])


def summarize_latest(*, as_of: datetime) -> tuple[str, Anomaly] | None:
    """Return a sentence on the latest day with anomalies without a known reason, for Home; None if there is none in three days."""
    since = localdate(as_of - ATTENTION, get_time_zone())
    rows = list(Anomaly.objects.filter(day__gte=since, annotation=None).order_by("-day", "p_value"))
    rows = [row for row in rows if row.day == rows[0].day]
    if not rows:
        return None
    # missing data first, because it can be fixed
    rows.sort(key=lambda row: row.kind != AnomalyKind.MISSING)
    text = load_texts(rows[:1]).describe(rows[0])
    if len(rows) > 1:
        more = ngettext("%(count)d more metric was unusual.", "%(count)d more metrics were unusual.", len(rows) - 1)
        text = join_sentences([text, more % {"count": len(rows) - 1}])
    return text, rows[0]
