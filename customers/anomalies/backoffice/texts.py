"""Sentences on anomalies: what happened, what was expected, and which segments explain most of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from babel import dates
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.models import Product
from config.foundation.number_formats import (
    NO_VALUE,
    format_count,
    format_money,
    format_percent,
    format_whole_money,
    get_reader_locale,
    join_list,
    join_sentences,
)
from customers.anomalies.facts.base import NO_LABEL, OTHER
from customers.anomalies.metrics import Format, Metric, find_metric
from customers.anomalies.models import Anomaly, AnomalyKind
from customers.lifecycle.facts.amounts import get_amount_currency

DIMENSIONS: dict[str, str | Promise] = {
    "channel": pgettext_lazy("dimension", "channel"),
    "source": pgettext_lazy("dimension", "source"),
    "coupon": pgettext_lazy("dimension", "coupon"),
    "customer": pgettext_lazy("dimension", "customer type"),
    "category": pgettext_lazy("dimension", "category"),
    "brand": pgettext_lazy("dimension", "brand"),
    "product": pgettext_lazy("dimension", "product"),
    "device": pgettext_lazy("dimension", "device"),
    "language": pgettext_lazy("dimension", "language"),
    "template": pgettext_lazy("dimension", "message template"),
    "origin": pgettext_lazy("dimension", "message type"),
}
LABELS: dict[tuple[str, str], str | Promise] = {
    ("customer", "new"): gettext_lazy("new customers"),
    ("customer", "returning"): gettext_lazy("returning customers"),
    ("customer", "guest"): gettext_lazy("guests"),
    ("coupon", NO_LABEL): gettext_lazy("without a coupon"),
    ("origin", "campaign"): gettext_lazy("campaigns"),
    ("origin", "flow"): gettext_lazy("flows"),
    ("origin", "api"): gettext_lazy("API"),
}
FEED_OF_METRIC = {"revenue": "orders", "orders": "orders", "visitors": "events"}
STOPPED: dict[str, tuple[str | Promise, str | Promise]] = {
    "orders": (
        gettext_lazy("No orders arrived on %(day)s. The data is probably missing, so no drop is reported."),
        gettext_lazy(
            "No orders arrived after %(hour)s on %(day)s. The data is probably missing, so no drop is reported."
        ),
    ),
    "events": (
        gettext_lazy("No events arrived on %(day)s. Collection has probably stopped, so no drop is reported."),
        gettext_lazy(
            "No events arrived after %(hour)s on %(day)s. Collection has probably stopped, so no drop is reported."
        ),
    ),
}


@dataclass
class AnomalyTexts:
    """Writes sentences in the reader's language; titles: of the products that explanations name, by their ID."""

    currency: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)

    def describe(self, anomaly: Anomaly) -> str:
        """Return all sentences on an anomaly."""
        return join_sentences([self.describe_deviation(anomaly), self.describe_explanation(anomaly)])

    def describe_deviation(self, anomaly: Anomaly) -> str:
        """Return what happened and what was expected: "Orders on Tue, Nov 24 were 31, expected between 48 and 71."."""
        metric = find_metric(anomaly.metric)
        if metric is None:
            return anomaly.metric
        if anomaly.kind == AnomalyKind.MISSING:
            whole, part = STOPPED[FEED_OF_METRIC.get(metric.key, "orders")]
            text = part if anomaly.stopped_hour else whole
            return str(text) % {"day": format_weekday(anomaly.day), "hour": f"{anomaly.stopped_hour or 0}:00"}
        value, low, high = self.format_apart(metric, anomaly.value, anomaly.low, anomaly.high)
        values = {
            "what": str(metric.sentence) % {"day": format_weekday(anomaly.day), "value": value},
            "low": low,
            "high": high,
        }
        is_high = anomaly.kind == AnomalyKind.HIGH
        if anomaly.low is None or (is_high and anomaly.low <= 0):  # net revenue can be below a negative bound
            return _("%(what)s, expected at most %(high)s.") % values
        return _("%(what)s, expected between %(low)s and %(high)s.") % values

    def describe_explanation(self, anomaly: Anomaly) -> str:
        """Return a sentence on the segments that explain most, or on none explaining it; empty if there was nothing to compare."""
        metric, explanation = find_metric(anomaly.metric), anomaly.explanation
        if metric is None or not explanation.get("tables"):
            return ""
        name = explanation["dimension"]
        if not name:
            return _("No single dimension explains it.")
        segments = [explanation["tables"][name][row] for row in explanation["segments"]]
        values = {
            "dimension": str(DIMENSIONS.get(name, name)),
            "segments": join_list(self.name_segment(name, segment["label"]) for segment in segments),
            "share": format_percent(min(explanation["share"], 1), 0),
        }
        if not metric.denominator:
            part = sum(segment["contribution"] for segment in segments)
            values |= {
                "part": self.format_difference(metric, part),
                "whole": self.format_difference(metric, explanation["deviation"]),
            }
            return _("Mostly by %(dimension)s: %(segments)s (%(part)s of %(whole)s).") % values
        mix = abs(sum(segment["mix"] or 0 for segment in segments))
        rate = abs(sum(segment["rate"] or 0 for segment in segments))
        if mix > rate:
            return (
                _(
                    "Mostly by %(dimension)s: %(segments)s (%(share)s of the change), which had a different share than usual."
                )
                % values
            )
        return _("Mostly by %(dimension)s: %(segments)s (%(share)s of the change).") % values

    def name_segment(self, dimension: str, label: str) -> str:
        """Return the name of a segment in the reader's language."""
        if label == OTHER:
            return _("all others")
        if (dimension, label) in LABELS:
            return str(LABELS[dimension, label])
        if dimension == "product":
            return self.titles.get(label, label)
        if dimension == "category":
            return label.rpartition(" > ")[2] or _("without a category")
        return label or _("unknown")

    def format_apart(self, metric: Metric, value: float | None, *bounds: float | None) -> tuple[str, ...]:
        """Return a value and its bounds as texts; percentages get two more digits if a bound would otherwise look equal to the value."""
        texts = tuple(self.format(metric, number) for number in (value, *bounds))
        if metric.format == Format.PERCENT and texts[0] in texts[1:]:
            return tuple(format_percent(number, 3) for number in (value, *bounds))
        return texts

    def format(self, metric: Metric, value: float | None) -> str:
        """Return a value of a metric; a bound of a count as the last whole number inside."""
        if value is None:
            return NO_VALUE
        if metric.format == Format.WHOLE_MONEY:
            return format_whole_money(value, self.currency)
        if metric.format == Format.MONEY:
            return format_money(value, self.currency)
        if metric.format == Format.PERCENT:
            return format_percent(value, 1 if value >= 0.01 else 2)
        return f"{value:.2f}" if metric.format == Format.STARS else format_count(round(value))

    def format_difference(self, metric: Metric, value: float) -> str:
        sign = "−" if value < 0 else "+"
        return f"{sign}{self.format(metric, abs(value))}"


def load_texts(anomalies: Iterable[Anomaly]) -> AnomalyTexts:
    """Return the writer of sentences with the titles of all products that these anomalies name, in one query."""
    ids = {
        segment["label"]
        for anomaly in anomalies
        for segment in anomaly.explanation.get("tables", {}).get("product", ())
        if segment["label"] != OTHER
    }
    titles = dict(Product.objects.filter(product_id__in=ids).values_list("product_id", "title")) if ids else {}
    return AnomalyTexts(get_amount_currency(), titles)


def format_weekday(day: date) -> str:
    """Return a day with its weekday: Tue, Nov 24, 11月24日周二."""
    return dates.format_skeleton("MMMdEEEE", day, locale=get_reader_locale())


def list_segments(texts: AnomalyTexts, anomaly: Anomaly, dimension: str) -> list[dict[str, Any]]:
    """Return the rows of the table of a dimension, with formatted figures."""
    metric = find_metric(anomaly.metric)
    assert metric is not None
    rows = anomaly.explanation["tables"][dimension]
    named = anomaly.explanation["segments"] if anomaly.explanation["dimension"] == dimension else []
    whole = anomaly.explanation.get("deviation") or sum(row["contribution"] for row in rows)
    return [
        {
            "name": texts.name_segment(dimension, row["label"]),
            "actual": texts.format(metric, row["actual"]),
            "expected": texts.format(metric, row["expected"]),
            "contribution": format_percent(row["contribution"] / whole if whole else None, 0),
            "is_named": place in named,
        }
        for place, row in enumerate(rows)
    ]


def make_heading(dimension: str) -> str:
    return str(format_lazy("{}", DIMENSIONS.get(dimension, dimension)))
