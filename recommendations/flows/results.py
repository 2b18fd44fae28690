"""What a flow caused: everyone who entered, or would have entered without the holdout group, compared by intent to treat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, Min
from psycopg import sql

from customers.events.event_taxonomy import MEANING_BY_NAME, Meaning
from customers.segments.event_counts.meanings import COUNTED_MEANINGS
from recommendations.flows.definition_checks import list_template_keys
from recommendations.flows.models import Flow
from recommendations.flows.publishing import get_current
from recommendations.measurement.assignment_records import HOLDOUT, TREATED, Kind, build_assigned_members
from recommendations.measurement.attribution import RecommendedSales
from recommendations.measurement.comparison import ComparisonVerdict, GroupComparison, GroupFigures, compare_groups
from recommendations.measurement.models import Assignment
from recommendations.measurement.outcomes.counting import count_outcomes, list_amounts
from recommendations.measurement.timeline import OPEN_ENDED, Timeline
from recommendations.sending.tracking.recommended_sales import count_recommended_sales

FLOW_DELIVERIES = """
FROM flows_flowentry e JOIN flows_flowsteprun r ON r.entry_id = e.id
JOIN sending_delivery d ON d.origin_kind = 'flow' AND d.origin_id = r.id
WHERE e.flow_id = %(scope)s
"""
CLICKS = sql.SQL(
    "SELECT d.customer_id, range_agg(tstzrange(d.clicked_at, d.clicked_at + %(window)s)) AS click_windows "
    f"{FLOW_DELIVERIES} AND d.clicked_at IS NOT NULL GROUP BY 1"
)
DELIVERIES = sql.SQL(f"SELECT d.id, d.customer_id, d.sent_at, d.choices {FLOW_DELIVERIES} AND d.sent_at IS NOT NULL")
COUNT_COMPLAINTS = f"SELECT count(d.complained_at), count(d.sent_at) {FLOW_DELIVERIES}"


@dataclass(frozen=True)
class FlowResults:
    """The result of a flow. goal: the meaning of the event that counts as reached."""

    as_of: datetime
    goal: str
    comparison: GroupComparison
    recommended: RecommendedSales = field(default_factory=RecommendedSales)


def compute_flow_results(flow: Flow, *, as_of: datetime) -> FlowResults:
    """Return the results of all versions until now.

    A customer counts from the first entry for ``attribution_days``, the same for both groups: whether someone enters again may be an
    effect of the flow. Entries from before there was a holdout group do not count.
    """
    goal = find_goal_meaning(flow)
    span = Assignment.objects.filter(kind=Kind.FLOW, scope_id=flow.pk, assigned_at__lte=as_of).aggregate(
        first=Min("assigned_at"), last=Max("assigned_at")
    )
    if span["first"] is None:
        verdict = ComparisonVerdict.NO_RUNS if flow.holdout_share else ComparisonVerdict.NO_HOLDOUT
        nothing = GroupComparison(as_of, verdict, False, None, 1.0, GroupFigures(), GroupFigures())
        return FlowResults(as_of, goal, nothing)
    window = timedelta(days=flow.attribution_days)
    has_ended = flow.status == Flow.Status.ENDED
    end = span["last"] + window if has_ended else span["first"] + max(OPEN_ENDED, window)
    is_final = has_ended and as_of >= end
    timeline = Timeline(span["first"], as_of, end, is_final=is_final, ends=has_ended, has_arrivals=True)
    members = build_assigned_members(kind=Kind.FLOW, scope_id=flow.pk, window=window, clicks=CLICKS)
    counted = count_outcomes(members, as_of=as_of, goal=goal)
    comparison = compare_groups(
        counted,
        treated=TREATED,
        control=HOLDOUT,
        holdout_share=read_average_share(flow),
        timeline=timeline,
        amounts=list_amounts(members, as_of=as_of),
        complaints=count_complaints(flow) if sends_messages(flow) else None,
    )
    recommended = count_recommended_sales(DELIVERIES, {"scope": flow.pk}, window=window, as_of=as_of)
    return FlowResults(as_of, goal, comparison, recommended)


def read_average_share(flow: Flow) -> float:
    """Return the expected share of the holdout group: the average of the shares with which customers were assigned."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT avg(holdout_share) FROM measurement_assignment WHERE kind = 'flow' AND scope_id = %s", [flow.pk]
        )
        return float(cursor.fetchone()[0] or 0)


def sends_messages(flow: Flow) -> bool:
    """Return whether a published version has a step with a message."""
    versions = flow.versions.filter(published_at__isnull=False).values_list("definition", flat=True)
    return any(map(list_template_keys, versions))


def count_complaints(flow: Flow) -> tuple[int, int]:
    """Return the complaints and the messages sent."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_COMPLAINTS, {"scope": flow.pk})
        complaints, sent = cursor.fetchone()
        return int(complaints), int(sent)


def find_goal_meaning(flow: Flow) -> str:
    """Return the event of the flow's goal if events of its kind are counted for all customers, or else an order."""
    current = get_current(flow) or flow.versions.order_by("-number").first()
    goal: Mapping[str, Any] = (current.definition.get("goal") or {}) if current else {}
    meaning = MEANING_BY_NAME.get(str(goal.get("event", "")).casefold()) if goal.get("kind") == "event" else None
    return str(meaning) if meaning in COUNTED_MEANINGS else str(Meaning.PURCHASE)
