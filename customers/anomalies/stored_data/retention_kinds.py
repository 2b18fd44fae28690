"""How long anomalies and the daily figures behind them are kept."""

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows, SeveralParts
from config.foundation.retention.kinds import RetentionKind, register_retention
from customers.anomalies.refresh import KEPT_DAYS

ANOMALIES = SeveralParts(
    (AgedRows("anomalies.Anomaly", "day", Q(annotation=None)), AgedRows("anomalies.MetricDay", "day"))
)

register_retention(
    RetentionKind(
        key="anomalies",
        label=gettext_lazy("Anomalies and their daily figures"),
        note=gettext_lazy("Anomalies with a known reason are kept. None of them contains personal data."),
        default_days=KEPT_DAYS,
        min_days=300,
        preview=ANOMALIES.preview,
        purge=ANOMALIES.purge,
        order=73,
    ),
)
