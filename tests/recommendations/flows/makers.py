"""Makers of flows, templates and signals for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.execution.stepping import run_due_steps
from recommendations.flows.models import Flow, FlowEntry, FlowSignal
from recommendations.flows.publishing import create_flow, publish_flow
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from recommendations.sending.models import Delivery

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_template(
    key: str = "hello", *, channel: str = "email", published_at: datetime | None = NOON
) -> TemplateVersion:
    template = MessageTemplate.objects.create(key=key, name=key, channel=channel)
    return TemplateVersion.objects.create(template=template, number=1, published_at=published_at)


def make_definition(steps: Sequence[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "trigger": {"kind": "event", "event": "Product Added"},
        "reentry": {"rule": "always"},
        "steps": list(steps),
        **parts,
    }


def make_live_flow(steps: Sequence[dict[str, Any]], *, now: datetime = NOON, name: str = "Flow", **parts: Any) -> Flow:
    flow = create_flow(name=name, definition=make_definition(steps, **parts))
    publish_flow(flow=flow, now=now)
    return flow


def wait(key: str, **duration: int) -> dict[str, Any]:
    return {"key": key, "kind": "wait", "for": duration}


def message(key: str, template: str = "hello", **settings: Any) -> dict[str, Any]:
    return {"key": key, "kind": "message", "template": template, **settings}


def signal(customer_id: int, name: str = "cart", *, at: datetime = NOON, **fields: Any) -> FlowSignal:
    """Write a signal as the capture of events does; by default that of Product Added."""
    properties = fields.pop("properties", {})
    fields = {"kind": "event", "data": {"name": name, "properties": properties, "is_claim": False}, **fields}
    return FlowSignal.objects.create(name=name, customer_id=customer_id, at=at, **fields)


def run(now: datetime) -> None:
    """Do what the scheduled task does."""
    process_signals(now=now)
    run_due_steps(now=now)


def list_messages(flow: Flow) -> list[tuple[int, datetime]]:
    """Return the customers and times of the messages of a flow."""
    deliveries = Delivery.objects.filter(origin_kind="flow").order_by("id")
    runs = {pk for pk in flow.entries.values_list("step_runs__pk", flat=True) if pk}
    return [(delivery.customer_id, delivery.due_at) for delivery in deliveries if delivery.origin_id in runs]


def list_statuses(flow: Flow) -> list[str]:
    return list(FlowEntry.objects.filter(flow=flow).order_by("id").values_list("status", flat=True))
