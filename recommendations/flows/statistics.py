"""Figures of flows: the people at each step, and messages, from counts that are kept with every change."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Sum

from recommendations.flows.models import FlowStepCount

COUNT_MESSAGES = """
SELECT r.step_key, count(*), count(d.sent_at), count(d.opened_at), count(d.clicked_at),
       count(*) FILTER (WHERE d.status = 'skipped'), count(*) FILTER (WHERE d.status IN ('failed', 'uncertain'))
FROM flows_flowsteprun r JOIN sending_delivery d ON d.origin_kind = 'flow' AND d.origin_id = r.id
WHERE r.version_id = %s GROUP BY r.step_key
"""

COUNT_SENT = """
SELECT v.flow_id, count(d.sent_at) FROM flows_flowversion v JOIN flows_flowsteprun r ON r.version_id = v.id
JOIN sending_delivery d ON d.origin_kind = 'flow' AND d.origin_id = r.id
GROUP BY v.flow_id
"""


@dataclass
class StepFigures:
    """The people at a step: how many arrived, are at it, passed it by outcome, left the flow at it, and failed."""

    arrived: int = 0
    waiting: int = 0
    passed: int = 0
    left: int = 0
    failed: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass
class FlowFigures:
    """The stays of a flow: how many began, are inside, and reached the goal."""

    entered: int = 0
    inside: int = 0
    reached_goal: int = 0
    completed: int = 0

    @property
    def goal_rate(self) -> float | None:
        """The share of finished stays that reached the goal; None if none has finished."""
        finished = self.entered - self.inside
        return self.reached_goal / finished if finished else None


ENDS = ("goal", "exited", "removed", "merged", "erased")
NOT_INSIDE = (*ENDS, "completed")


def read_step_figures(version_id: int) -> dict[str, StepFigures]:
    """Return the figures of each step of a version."""
    figures: dict[str, StepFigures] = {}
    for count in FlowStepCount.objects.filter(version=version_id).exclude(step_key=""):
        step = figures.setdefault(count.step_key, StepFigures())
        if count.outcome == "arrived":
            step.arrived = count.count
        elif count.outcome in ENDS:
            step.left += count.count
        elif count.outcome == "failed":
            step.failed = count.count
        else:
            step.passed += count.count
            step.outcomes[count.outcome] = count.count
    for step in figures.values():
        step.waiting = max(0, step.arrived - step.passed - step.left - step.failed)
    return figures


def read_flow_figures(flow_ids: Sequence[int]) -> dict[int, FlowFigures]:
    """Return the figures of flows, over all their versions."""
    figures = {flow_id: FlowFigures() for flow_id in flow_ids}
    counts = FlowStepCount.objects.filter(version__flow__in=flow_ids, step_key="")
    for flow_id, outcome, total in counts.values_list("version__flow_id", "outcome").annotate(total=Sum("count")):
        flow = figures[flow_id]
        if outcome == "entered":
            flow.entered += total
            flow.inside += total
        elif outcome in NOT_INSIDE:
            flow.inside -= total
            flow.reached_goal += total if outcome == "goal" else 0
            flow.completed += total if outcome == "completed" else 0
    return figures


def count_sent_messages() -> dict[int, int]:
    """Return the sent messages by flow; without those that were skipped. Counts all of them, so pages call it through slow_figures."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SENT)
        return dict(cursor.fetchall())


@dataclass
class MessageFigures:
    """The messages of a step."""

    queued: int
    sent: int
    opened: int
    clicked: int
    skipped: int
    failed: int = 0


def read_message_figures(version_id: int) -> dict[str, MessageFigures]:
    """Return the messages of each step of a version; counts all of them, so pages call it through slow_figures."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_MESSAGES, [version_id])
        return {key: MessageFigures(*counts) for key, *counts in cursor.fetchall()}
