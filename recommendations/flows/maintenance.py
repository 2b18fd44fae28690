"""Ends the flows that are ending and have nobody inside any more."""

from datetime import datetime

from django.db import transaction

from recommendations.flows.models import Flow
from recommendations.flows.publishing import finish_ending, lock_flow


def finish_ending_flows(*, now: datetime) -> int:
    """Mark flows that are ending and in which nobody is left as ended; return their number."""
    ended = 0
    for flow in Flow.objects.filter(status=Flow.Status.ENDING):
        with transaction.atomic():
            lock_flow(flow)
            ended += finish_ending(flow=flow, now=now)
    return ended
