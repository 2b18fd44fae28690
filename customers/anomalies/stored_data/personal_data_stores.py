"""Anomalies are about metrics of the whole shop."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

register_stores(
    MatchingTexts(
        "anomalies.runs",
        _("anomaly detection errors"),
        "anomalies.AnomalyRun",
        "error",
        action=TextAction.MASK,
    ),
)
register_impersonal(
    table("anomalies.AnomalyRun"),
    table("anomalies.MetricDay"),
    table("anomalies.Anomaly"),
    reason="Figures of the whole shop per day, and which products, sources and groups explain a change.",
)
