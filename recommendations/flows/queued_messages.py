"""Holds, releases and cancels the messages of a flow that are queued and not yet being sent, in the transaction that changes the flow.

Every message of a flow is its own origin, the step run, so the deliveries are changed themselves: one statement for any number.
"""

from collections.abc import Sequence

from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from recommendations.flows.machine.definition_schema import MESSAGE_STEPS
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.models import Flow, FlowVersion

CHANGE_QUEUED = """
UPDATE sending_delivery d SET {changes}
FROM flows_flowsteprun r
WHERE r.version_id = ANY(%s::bigint[]) AND r.step_key = ANY(%s::text[])
  AND d.origin_kind = 'flow' AND d.origin_id = r.id AND d.status = 'pending' AND {condition}
"""
HOLD = CHANGE_QUEUED.format(changes="is_paused = true", condition="NOT d.is_paused")
RELEASE = CHANGE_QUEUED.format(changes="is_paused = false", condition="d.is_paused")
CANCEL = CHANGE_QUEUED.format(changes="status = 'canceled', skip_reason = 'canceled'", condition="true")


def hold_messages(flow: Flow) -> int:
    """Hold the queued messages of a flow until it goes on; return their number."""
    return change_queued(HOLD, flow)


def release_messages(flow: Flow) -> int:
    """Let the held messages of a flow be sent; return their number."""
    return change_queued(RELEASE, flow)


def cancel_messages(flow: Flow) -> int:
    """Cancel the queued messages of a flow, held ones too; return their number."""
    return change_queued(CANCEL, flow)


def hold_returned_messages() -> None:
    """Hold the messages of paused flows that were being sent at the pause and have returned to the queue, to be tried again."""
    for flow in Flow.objects.filter(status=Flow.Status.PAUSED):
        hold_messages(flow)


def change_queued(statement: str, flow: Flow) -> int:
    versions, keys = list_message_steps(flow)
    if not keys:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(statement, [format_bigint_list(versions), list(keys)])
        return int(cursor.rowcount)


def list_message_steps(flow: Flow) -> tuple[Sequence[int], Sequence[str]]:
    """Return the published versions of a flow, and the keys of their steps that send messages."""
    versions, keys = [], set()
    for version in FlowVersion.objects.filter(flow=flow, published_at__isnull=False):
        versions.append(version.pk)
        steps = build_graph(version.definition).steps.values()
        keys |= {step.key for step in steps if step.kind in MESSAGE_STEPS}
    return versions, sorted(keys)
