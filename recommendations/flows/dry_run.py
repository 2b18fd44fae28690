"""A dry run: what a flow would do for one customer from now on, with dates. Nothing is sent or changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from recommendations.flows.execution.actions import find_template_version
from recommendations.flows.execution.history import read_history
from recommendations.flows.execution.holdout import EntryHoldout
from recommendations.flows.execution.people import FlowPerson, read_people, select_matching
from recommendations.flows.execution.stepping import compute_step_end
from recommendations.flows.machine.decisions import choose_variant, may_enter
from recommendations.flows.machine.graph import FlowStep, build_graph
from recommendations.flows.models import Flow
from recommendations.sending.checks.eligibility import preview_skip_reason

SENDING_STEPS = ("message", "webhook")  # an on-site offer is shown in the shop, not sent


@dataclass(frozen=True)
class DryRunLine:
    """One step that the customer would pass: when it begins, and its outcome. skip_reason: why its message would not be sent."""

    step: FlowStep
    at: datetime
    outcome: str
    skip_reason: str = ""


@dataclass
class DryRun:
    """The result of a dry run. refusals: why the customer would not enter now; the steps are computed all the same."""

    refusals: list[str] = field(default_factory=list)
    lines: list[DryRunLine] = field(default_factory=list)
    ends_at: datetime | None = None


def run_dry(*, flow: Flow, definition: Mapping[str, Any], customer_id: int, now: datetime) -> DryRun:
    """Follow a customer who is triggered now through a valid definition.

    Conditions, consents, suppressions and holdout groups are checked as of now; frequency caps and quiet hours are not checked.
    Events that the flow waits for are assumed not to happen, so their waits time out.
    """
    graph = build_graph(definition)
    result = DryRun()
    person = read_people([customer_id]).get(customer_id)
    if person is None:
        result.refusals.append(_("The customer was erased."))
        return result
    if graph.condition and not select_matching(graph.condition, [customer_id], as_of=now):
        result.refusals.append(_("The customer does not match the filter."))
    is_inside = flow.entries.filter(customer_id=customer_id, status="active").exists()
    last = read_history({flow.pk: {customer_id}}).last_triggered_at.get((flow.pk, customer_id))
    if not may_enter(graph.reentry, last_triggered_at=last, is_inside=is_inside, at=now):
        result.refusals.append(
            _("The customer is in the flow already.")
            if is_inside
            else _("The re-entry rule does not allow another entry.")
        )
    holdout = EntryHoldout()
    holdout.load({flow.pk: {customer_id}})
    if holdout.decide(flow_id=flow.pk, customer_id=customer_id):
        result.refusals.append(_("The customer is in the holdout group of the flow."))
    key: str | None = graph.first if graph.steps else None
    at = now
    while key is not None:
        step = graph.steps[key]
        outcome, end = follow_step(step, at=at, now=now, person=person, customer_id=customer_id, salt=flow.salt)
        result.lines.append(DryRunLine(step, at, outcome, find_skip_reason(step, customer_id=customer_id, now=now)))
        at, key = end, graph.find_next(key, outcome)
    result.ends_at = at
    return result


def follow_step(
    step: FlowStep, *, at: datetime, now: datetime, person: FlowPerson, customer_id: int, salt: str
) -> tuple[str, datetime]:
    """Return the outcome of a step and when the next one begins."""
    if step.waits:
        end = compute_step_end(step.settings, step.kind, start=at, person=person)
        return ("timeout" if step.kind == "wait_event" else "done"), end
    if step.kind == "branch":
        matches = select_matching(step.settings["condition"], [customer_id], as_of=now)
        return ("yes" if matches else "no"), at
    if step.kind == "split":
        weights = step.settings["weights"]
        return choose_variant(salt=salt, step_key=step.key, customer_id=customer_id, weights=weights), at
    return "done", at


def find_skip_reason(step: FlowStep, *, customer_id: int, now: datetime) -> str:
    """Return why sending would skip the message of a step, although the flow goes on; empty for other steps."""
    version = find_template_version(step.settings["template"]) if step.kind in SENDING_STEPS else None
    if version is None:
        return ""
    is_transactional = bool(step.settings.get("transactional", False))
    return preview_skip_reason(
        customer_id=customer_id, channel=version.template.channel, is_transactional=is_transactional, now=now
    )
