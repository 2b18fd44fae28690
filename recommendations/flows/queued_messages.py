"""Holds, releases and cancels the messages of a flow that are queued and not yet being sent, in the transaction that changes the flow.

Each message of a flow has its own origin, the step run, so the deliveries themselves are changed, any number with one statement.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from recommendations.flows.machine.definition_schema import MESSAGE_STEPS
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.models import Flow, FlowVersion
from recommendations.sending.changes import announce
from recommendations.sending.models import SkipReason

CHANGE_QUEUED = """
UPDATE sending_delivery d SET {changes}
FROM flows_flowsteprun r
WHERE r.version_id = ANY(%s::bigint[]) AND r.step_key = ANY(%s::text[])
  AND d.origin_kind = 'flow' AND d.origin_id = r.id AND d.status = 'pending' AND {condition}
RETURNING d.id
"""
HOLD = CHANGE_QUEUED.format(changes="is_paused = true", condition="NOT d.is_paused")
RELEASE = CHANGE_QUEUED.format(changes="is_paused = false", condition="d.is_paused")
CANCEL = CHANGE_QUEUED.format(changes="status = 'canceled', skip_reason = 'canceled'", condition="true")
# Messages that need no consent are still sent, such as the confirmation of the order that reached the goal.
CANCEL_STOPPED = """
UPDATE sending_delivery d SET status = 'canceled', skip_reason = row.reason
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[]) AS row (version_id, customer_id, at, reason)
JOIN flows_flowentry e ON e.customer_id = row.customer_id AND e.version_id = row.version_id AND e.triggered_at <= row.at
JOIN flows_flowsteprun r ON r.entry_id = e.id
WHERE d.origin_kind = 'flow' AND d.origin_id = r.id AND d.status = 'pending' AND NOT d.is_transactional
RETURNING d.id
"""
STOP_REASONS = {"goal": SkipReason.GOAL_REACHED.value, "exited": SkipReason.LEFT_FLOW.value}
# version, customer, when, and the status that the stay gets
type StoppedPerson = tuple[int, int, datetime, str]


def cancel_for_stopped(stopped: Sequence[StoppedPerson], *, now: datetime) -> int:
    """Cancel the queued messages of a flow to people who reached its goal or left it; return their number.

    Their stay may be completed already: the last message of a flow often waits for the end of quiet hours.
    """
    if not stopped:
        return 0
    versions, customers, times, statuses = map(list, zip(*stopped, strict=True))
    reasons = [STOP_REASONS[status] for status in statuses]
    with connection.cursor() as cursor:
        cursor.execute(CANCEL_STOPPED, [versions, customers, times, reasons])
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
    announce([(delivery_id, "canceled") for delivery_id in ids], at=now)
    return len(ids)


def hold_messages(flow: Flow) -> int:
    """Hold the queued messages of a flow until it goes on; return their number."""
    return len(change_queued(HOLD, flow))


def release_messages(flow: Flow) -> int:
    """Let the held messages of a flow be sent; return their number."""
    return len(change_queued(RELEASE, flow))


def cancel_messages(flow: Flow, *, now: datetime) -> int:
    """Cancel the queued messages of a flow, held ones too; return their number."""
    ids = change_queued(CANCEL, flow)
    announce([(delivery_id, "canceled") for delivery_id in ids], at=now)
    return len(ids)


def hold_returned_messages() -> None:
    """Hold the messages of paused flows that were being sent at the pause and have returned to the queue, to be tried again."""
    for flow in Flow.objects.filter(status=Flow.Status.PAUSED):
        hold_messages(flow)


def change_queued(statement: str, flow: Flow) -> list[int]:
    """Change the queued messages of a flow; return their IDs."""
    versions, keys = list_message_steps(flow)
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, [format_bigint_list(versions), list(keys)])
        return [delivery_id for (delivery_id,) in cursor.fetchall()]


def list_message_steps(flow: Flow) -> tuple[Sequence[int], Sequence[str]]:
    """Return the published versions of a flow, and the keys of their steps that send messages."""
    versions, keys = [], set()
    for version in FlowVersion.objects.filter(flow=flow, published_at__isnull=False):
        versions.append(version.pk)
        steps = build_graph(version.definition).steps.values()
        keys |= {step.key for step in steps if step.kind in MESSAGE_STEPS}
    return versions, sorted(keys)
