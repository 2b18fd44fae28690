"""Names of events, properties and groups in the reader's language; personal values are masked."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.foundation.number_formats import format_percent
from customers.analytics.expressions.breakdowns import Breakdown, GroupKey
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, format_value
from customers.analytics.questions.paths import GOAL_NAME
from customers.analytics.questions.trends import TrendSeries
from customers.events.event_labels import LABELS_BY_MEANING, get_event_label
from customers.events.event_taxonomy import Meaning
from customers.identity.personal_data.masking import mask_text
from customers.lifecycle.backoffice.labels.cluster_labels import get_cluster_names
from customers.lifecycle.models import ScoreModel, Stage
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.warehouse.tables import TRAFFIC_SOURCE

PROPERTY_LABELS = {
    "path": gettext_lazy("page path"),
    "device": gettext_lazy("device"),
    "locale": gettext_lazy("locale"),
    "source": gettext_lazy("source"),
    "currency": gettext_lazy("currency"),
    "name": gettext_lazy("event name"),
    "type": gettext_lazy("event type"),
    "value": gettext_lazy("value"),
    "product_id": gettext_lazy("product ID"),
    TRAFFIC_SOURCE: gettext_lazy("traffic source"),
}
CUSTOMER_LABELS = {
    "stage": gettext_lazy("lifecycle stage"),
    "cluster": gettext_lazy("cluster"),
    "language": gettext_lazy("language"),
    "city": gettext_lazy("city"),
}
OPERATOR_LABELS = {
    "eq": gettext_lazy("is"),
    "ne": gettext_lazy("is not"),
    "in": gettext_lazy("is one of"),
    "not_in": gettext_lazy("is none of"),
    "contains": gettext_lazy("contains"),
    "not_contains": gettext_lazy("does not contain"),
    "gt": gettext_lazy("more than"),
    "gte": gettext_lazy("at least"),
    "lt": gettext_lazy("less than"),
    "lte": gettext_lazy("at most"),
    "is_set": gettext_lazy("is set"),
    "is_not_set": gettext_lazy("is not set"),
}


MEASURE_LABELS = {
    "people": pgettext_lazy("measure", "people"),
    "per_person": gettext_lazy("events per person"),
    "sum": gettext_lazy("sum of %(property)s"),
    "average": gettext_lazy("average of %(property)s"),
    "quantile": gettext_lazy("median of %(property)s"),
}


def label_meaning(meaning: str) -> str:
    return str(LABELS_BY_MEANING[Meaning(meaning)])


def label_event(match: EventMatch) -> str:
    """Return what an event is called, with its conditions."""
    if match.meaning:
        label = label_meaning(match.meaning)
    else:
        label = label_name(match.name) if match.name else _("Any event")
    conditions = [describe_filter(condition) for condition in match.filters]
    return f"{label} ({', '.join(conditions)})" if conditions else label


def label_series(series: TrendSeries) -> str:
    """Return what a series of a trend counts: its event, and its measure unless that is the number of events."""
    name = label_event(series.event)
    if series.measure not in MEASURE_LABELS:
        return name
    label, values = str(MEASURE_LABELS[series.measure]), {"property": label_measured(series)}
    if series.measure == "quantile" and series.share != 0.5:
        label = _("%(share)s quantile of %(property)s")
        values["share"] = format_percent(series.share)
    return f"{name} ({label % values})"


def label_measured(series: TrendSeries) -> str:
    """Return what the number of a series is called. The value of an order is its total, which is not what it adds to revenue."""
    is_order = series.event.meaning == Meaning.PURCHASE or series.event.name == ORDER_EVENT
    if is_order and series.property == "value":
        return _("order totals before refunds and returns")
    return label_property(series.property)


def label_name(name: str) -> str:
    """Return what an event name of a source is called."""
    return label_meaning(Meaning.PURCHASE) if name == ORDER_EVENT else get_event_label(name)


def label_property(name: str) -> str:
    return str(PROPERTY_LABELS.get(name, name))


def describe_filter(condition: Any) -> str:
    value = condition.value
    text = ", ".join(map(format_value, value if isinstance(value, tuple) else (value,)))
    return " ".join(filter(None, (label_property(condition.property), str(OPERATOR_LABELS[condition.op]), text)))


def label_breakdown(breakdown: Breakdown, segments: dict[str, str]) -> str:
    if breakdown.kind == "segment":
        return segments.get(breakdown.name, breakdown.name)
    return str(CUSTOMER_LABELS[breakdown.name]) if breakdown.kind == "customer" else label_property(breakdown.name)


def read_cluster_names(breakdown: Breakdown | None) -> Mapping[str, str]:
    """Return the names of clusters by their numbers, if results are split by cluster."""
    if breakdown is None or (breakdown.kind, breakdown.name) != ("customer", "cluster"):
        return {}
    score_model = load_latest_score_models().get(ScoreModel.Kind.CLUSTERS)
    names = get_cluster_names(score_model) if score_model is not None else {}
    return {str(number): capfirst(name) for number, name in names.items()}


def label_group(
    group: GroupKey,
    breakdown: Breakdown | None,
    *,
    with_personal: bool,
    clusters: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return what a group of a breakdown is called."""
    if group.is_other:
        return _("Other values")
    if group.label is None:
        return _("No value")
    if breakdown is not None and breakdown.kind == "segment":
        return _("Members") if group.label == "member" else _("Others")
    if breakdown is not None and (breakdown.kind, breakdown.name) == ("customer", "stage"):
        return str(Stage(group.label).label) if group.label in Stage else group.label
    if breakdown is not None and (breakdown.kind, breakdown.name) == ("customer", "cluster"):
        return clusters.get(group.label) or _("Cluster %(number)s") % {"number": group.label}
    return mask_text(group.label, with_personal=with_personal)


def label_step(name: str | None, *, is_event: bool, with_personal: bool) -> str:
    """Return what a step of a path is called; ``is_event``: steps are named by their event, not by a property."""
    if name is None:
        return _("Other steps")
    if name == GOAL_NAME:
        return _("Goal")
    return mask_text(label_name(name) if is_event else name, with_personal=with_personal)
