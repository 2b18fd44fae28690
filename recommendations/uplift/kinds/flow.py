"""Flows as actions: those that start from a state in which a customer can be now, such as a segment.

A flow that reacts to a moment (an event, a date, a change of the catalog) cannot be chosen as an action: the moment determines its
customers, and its effect at that moment says nothing about another day.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from customers.identity.models import Customer
from customers.segments.conditions.compiler import compile_condition
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_customers
from recommendations.campaigns.audience import build_consent_condition, build_reachable_condition
from recommendations.campaigns.limits import build_global_holdout_condition
from recommendations.campaigns.models import Campaign
from recommendations.flows.execution.holdout import name_holdout_salt
from recommendations.flows.machine.decisions import compute_reentry_limit
from recommendations.flows.machine.graph import FlowGraph, build_graph
from recommendations.flows.models import Flow, FlowEntry, FlowVersion
from recommendations.measurement.assignment import build_bucket_expression, count_holdout_buckets
from recommendations.measurement.assignment_records import Kind
from recommendations.measurement.models import Assignment
from recommendations.messaging.models import MessageTemplate
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.settings_model import load_sending_settings
from recommendations.uplift.kinds.action_kind import ActionKind, ActionTarget, PastAction, Pool
from recommendations.uplift.kinds.assigned_members import build_assigned_query, count_assigned

MAX_FLOWS = 20  # the newest
KEY = "flow"


def list_past_flows(as_of: datetime) -> list[PastAction]:
    """Return the newest flows that start from a state and have a holdout group whose window is over, newest first."""
    versions = FlowVersion.objects.filter(is_current=True).select_related("flow").order_by("-flow__created_at", "-id")
    graphs = [(version.flow, build_graph(version.definition)) for version in versions[: 5 * MAX_FLOWS]]
    found = [(flow, graph) for flow, graph in graphs if build_entry_condition(graph.trigger) is not None][:MAX_FLOWS]
    sizes = count_assigned(Kind.FLOW, [flow.pk for flow, _graph in found], as_of)
    return [build_past_flow(flow, graph, sizes[flow.pk], as_of) for flow, graph in found if flow.pk in sizes]


def build_entry_condition(trigger: Mapping[str, Any]) -> Mapping[str, Any] | Q | None:
    """Return the state of customers from which a flow starts, as a segment condition or filter; None if it reacts to a moment."""
    match trigger["kind"]:
        case "segment" if trigger["direction"] == "entered":
            return {"field": "segment", "op": "in", "value": [trigger["segment"]]}
        case "stage":
            return {"field": "stage", "op": "in", "value": list(trigger["to"])}
        case "score":
            lookup = "gt" if trigger["direction"] == "above" else "lt"
            return Q(**{f"profile__{trigger['score']}__{lookup}": trigger["value"]})
    return None


def build_past_flow(flow: Flow, graph: FlowGraph, size: int, as_of: datetime) -> PastAction:
    """Return a flow as an action; the window of each customer starts with the first entry."""
    window = timedelta(days=flow.attribution_days)
    members = build_assigned_query(
        Kind.FLOW,
        flow.pk,
        until=sql.SQL("min(a.assigned_at) + {}").format(sql.Literal(window)),
        condition=sql.SQL("a.assigned_at <= {}").format(sql.Literal(as_of - window)),
    )
    find = partial(find_flow_customers, flow, graph)
    return PastAction(KEY, Pool.MESSAGE, flow.pk, flow.key, flow.name, members, size, find)


def find_flow_customers(flow: Flow, graph: FlowGraph, as_of: datetime) -> QuerySet[Customer] | None:
    """Return the customers for whom the flow could be started: in its state, not inside, not held out, and reachable by one of its messages."""
    if flow.status != Flow.Status.LIVE:
        return None
    entry = build_entry_condition(graph.trigger)
    assert entry is not None
    try:
        state = entry if isinstance(entry, Q) else compile_condition(entry, as_of=as_of)
        matches = compile_condition(graph.condition or {"all": []}, as_of=as_of)
    except ConditionError:
        return None
    entries = FlowEntry.objects.filter(flow=flow, customer_id=OuterRef("pk"))
    limit = compute_reentry_limit(graph.reentry, at=as_of)
    blocking = Q() if limit is None else Q(status=FlowEntry.Status.ACTIVE) | Q(triggered_at__gt=limit)
    assigned = Assignment.objects.filter(kind=Kind.FLOW, scope_id=flow.pk, customer_id=OuterRef("pk"))
    is_held_out = Exists(assigned.filter(is_held_out=True)) | (
        Q(bucket__lt=count_holdout_buckets(flow.holdout_share)) & ~Exists(assigned)
    )
    return (
        query_customers()
        .annotate(bucket=build_bucket_expression(salt=name_holdout_salt(flow.salt)))
        .filter(state, matches, build_message_condition(graph, as_of))
        .exclude(Exists(entries.filter(blocking)))
        .exclude(is_held_out)
    )


def build_message_condition(graph: FlowGraph, as_of: datetime) -> Q:
    """Return the condition that a message of the flow can be sent, by the rules of a campaign; true if it has none."""
    steps = [step.settings for step in graph.steps.values() if step.kind == "message"]
    channels = dict(
        MessageTemplate.objects.filter(key__in={step["template"] for step in steps}).values_list("key", "channel")
    )
    kinds = {(channels.get(step["template"], ""), bool(step.get("transactional"))) for step in steps}
    settings = load_sending_settings()
    condition = Q()
    for channel, is_transactional in sorted(kind for kind in kinds if kind[0] in CHANNELS):
        sent = Campaign(channel=channel, is_transactional=is_transactional)
        reachable = build_reachable_condition(sent) & build_consent_condition(sent, as_of)
        condition |= reachable & ~Q(build_global_holdout_condition(sent, settings=settings))
    return condition


def find_flow(key: str) -> ActionTarget | None:
    row = Flow.objects.filter(key=key).values_list("pk", "key", "name").first()
    return ActionTarget(*row) if row else None


FLOW = ActionKind(
    key=KEY,
    pool=Pool.MESSAGE,
    noun=_("Flow"),
    label=_("start a flow"),
    instruction=_("Start the flow “%(name)s”."),
    field_label=_("flow of the next best action"),
    field_help=_("Keys of flows."),
    url_name="flows:flow",
    list_past=list_past_flows,
    find_target=find_flow,
)
