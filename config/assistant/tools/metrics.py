"""Tools for the named metrics: list them, and return their figures."""

from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.ask.periods import DEFAULT, PRESETS, find_preset_days, parse_iso
from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics.metric import MAX_ROWS, MetricAnswer, MetricQuery, Unit
from config.assistant.metrics.registry import METRICS, compute_metric, get_metric, list_metrics
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import Stage

COMPUTING = _("The figures are being computed. Ask again in a few seconds.")


def run_list_metrics(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """List the metrics that the caller may read."""
    data = [
        {
            "key": metric.key,
            "name": str(metric.label),
            "definition": str(metric.description),
            "unit": metric.unit.value,
            "intervals": list(metric.intervals),
            "group_by": list(metric.groupings),
            "filters": list(metric.filters),
            "is_of_now": metric.is_current_state,
        }
        for metric in list_metrics(caller)
    ]
    return ToolResult(data=data, as_of=timezone.now(), query={"name": "list_metrics", "parameters": {}})


def run_get_metric(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the figures of a metric."""
    query = read_query(arguments)
    answer = compute_metric(query, caller)
    return ToolResult(
        data=format_answer(query, answer),
        as_of=answer.as_of,
        path=answer.path,
        query=answer.query,
        notes=(*answer.notes, *((COMPUTING,) if answer.is_computing and answer.as_of is None else ())),
    )


def read_query(arguments: Arguments) -> MetricQuery:
    """Return the arguments as a query. Raises ToolError."""
    metric = get_metric(str(arguments["metric"]))
    today = timezone.localdate()
    days = find_preset_days(str(arguments.get("period") or DEFAULT), today)
    since = parse_day("since", arguments["since"]) if arguments.get("since") else days.since
    until = parse_day("until", arguments["until"]) if arguments.get("until") else max(days.until, since)
    interval, group_by = str(arguments.get("interval") or ""), str(arguments.get("group_by") or "")
    return MetricQuery(
        metric=metric.key,
        since=since,
        until=until,
        interval=interval or ("" if group_by else str(metric.defaults.get("interval", ""))),
        group_by=group_by or str(metric.defaults.get("group_by", "")),
        segment=str(arguments.get("segment") or ""),
        stage=str(arguments.get("stage") or ""),
        limit=int(arguments.get("limit") or 10),
    )


def parse_day(name: str, text: Any) -> date:
    """Return a day. Raises ToolError."""
    day = parse_iso(str(text))
    if day is None:
        raise ToolError(f"{name}: {str(text)[:40]!r} is not a valid date (YYYY-MM-DD).")
    return day


def format_answer(query: MetricQuery, answer: MetricAnswer) -> dict[str, Any]:
    """Return an answer as JSON values."""
    metric = METRICS[query.metric]
    rows = []
    for row in answer.rows:
        values: dict[str, Any] = {"value": row.value}
        if row.label:
            values["group"] = row.label
        if row.start is not None:
            values |= {"start": row.start.isoformat(), "is_complete": row.is_complete}
        if row.people is not None:
            values["of"] = row.people
        rows.append(values)
    return {
        "metric": metric.key,
        "name": str(metric.label),
        "definition": str(metric.description),
        "unit": metric.unit.value,
        "currency": get_amount_currency() if metric.unit == Unit.MONEY else None,
        "since": None if metric.is_current_state else query.since.isoformat(),
        "until": None if metric.is_current_state else query.until.isoformat(),
        "status": "computing" if answer.is_computing and answer.as_of is None else "done",
        "is_current": answer.is_current,
        "rows": rows,
    }


TOOLS = (
    Tool(
        name="list_metrics",
        label=_("List metrics"),
        description="List the named metrics of the shop with their definitions, units, groupings and filters.",
        run=run_list_metrics,
        scopes=(),
    ),
    Tool(
        name="get_metric",
        label=_("Read a metric"),
        description=(
            "Return the figures of a named metric, such as revenue, churned_customers, retention or best_sellers, by week, month or "
            "quarter, or by city, channel, stage or segment. Every figure comes with its definition, its time and a link. If status "
            "is computing, call again after a few seconds. Never add up or estimate figures that this tool does not return."
        ),
        run=run_get_metric,
        scopes=(),
        properties={
            "metric": {"type": "string", "enum": list(METRICS)},
            "period": {"type": "string", "enum": list(PRESETS), "description": "By default the last 12 months."},
            "since": {"type": "string", "maxLength": 10, "description": "First day, YYYY-MM-DD; instead of period."},
            "until": {"type": "string", "maxLength": 10, "description": "Last day, YYYY-MM-DD; instead of period."},
            "interval": {"type": "string", "enum": ["day", "week", "month", "quarter"]},
            "group_by": {
                "type": "string",
                "enum": sorted({name for each in METRICS.values() for name in each.groupings}),
            },
            "segment": {
                "type": "string",
                "maxLength": 100,
                "description": "Key of a segment: only its current members.",
            },
            "stage": {
                "type": "string",
                "enum": list(Stage.values),
                "description": "Only customers who are in this stage now.",
            },
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "description": "Groups; 10 by default."},
        },
        required=("metric",),
    ),
)
