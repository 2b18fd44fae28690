"""Notifications of changes of flows to the endpoints of the shop."""

from uuid import uuid4

from django.utils import timezone

from recommendations.flows.models import Flow
from recommendations.webhooks.publishing import publish


def publish_flow_event(event_type: str, flow: Flow) -> None:
    """Publish a change of a flow's state in the transaction that makes it."""
    current = flow.versions.filter(is_current=True).values_list("number", flat=True).first()
    data = {"flow": flow.key, "name": flow.name, "status": flow.status, "version": current}
    publish(event_type, key=f"{event_type}:{flow.pk}:{uuid4()}", data=data, at=timezone.now())
