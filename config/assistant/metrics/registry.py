"""The metrics by key. A new metric gets its own file or is added to the file of its family, and needs tests."""

from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics import campaigns, churn, customers, demand, outcomes, products
from config.assistant.metrics.metric import MAX_ROWS, MetricAnswer, MetricQuery, NamedMetric
from customers.lifecycle.models import Stage
from customers.segments.models import Segment

MAX_DAYS = 3660

METRICS: dict[str, NamedMetric] = {
    metric.key: metric
    for metric in (
        *outcomes.METRICS,
        *churn.METRICS,
        *customers.METRICS,
        *products.METRICS,
        *demand.METRICS,
        *campaigns.METRICS,
    )
}


def list_metrics(caller: AssistantCaller) -> list[NamedMetric]:
    """Return the metrics that a caller may read."""
    return [metric for metric in METRICS.values() if caller.may(metric.scope)]


def get_metric(key: str) -> NamedMetric:
    """Return a metric. Raises ToolError."""
    if key not in METRICS:
        raise ToolError(
            _("There is no metric %(name)s; valid: %(valid)s.") % {"name": key[:100], "valid": ", ".join(METRICS)}
        )
    return METRICS[key]


def compute_metric(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the figures of a metric. Raises ToolError: the caller may not read it, or it does not support these parameters."""
    metric = get_metric(query.metric)
    caller.require(metric.scope)
    check_query(metric, query)
    return metric.compute(query, caller)


def check_query(metric: NamedMetric, query: MetricQuery) -> None:
    """Check the values of a query. Raises ToolError, which names the valid values."""
    check_choice("interval", query.interval, metric.intervals)
    check_choice("group_by", query.group_by, metric.groupings)
    check_days(query.since, query.until)
    if not 1 <= query.limit <= MAX_ROWS:
        raise ToolError(_("limit is not valid; enter a number from 1 to %(most)d.") % {"most": MAX_ROWS})
    for name in ("segment", "stage"):
        if getattr(query, name) and name not in metric.filters:
            raise ToolError(_("%(metric)s cannot be filtered by %(name)s.") % {"metric": metric.key, "name": name})
    if query.stage and query.stage not in Stage.values:
        check_choice("stage", query.stage, tuple(Stage.values))
    if query.segment and not Segment.objects.filter(key=query.segment).exists():
        raise ToolError(_("There is no segment %(key)s.") % {"key": query.segment[:100]})
    if query.group_by == "segment" and not query.segment:
        raise ToolError(_("Grouping by segment needs a segment: its members are compared with all others."))


def check_choice(name: str, value: Any, valid: tuple[str, ...]) -> None:
    """Check that a value is empty or one of the valid values. Raises ToolError."""
    if value and value not in valid:
        choices = ", ".join(valid) or _("none")
        raise ToolError(
            _("%(name)s %(value)s is not valid here; valid: %(valid)s.")
            % {"name": name, "value": str(value)[:100], "valid": choices}
        )


def check_days(since: date, until: date) -> None:
    """Check that the days are in order and not too many. Raises ToolError."""
    if until < since:
        raise ToolError(_("until is earlier than since; choose a later day for until."))
    if (until - since).days >= MAX_DAYS:
        raise ToolError(_("The period is longer than ten years; choose a later first day."))
