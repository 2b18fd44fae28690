"""Checks a definition against what it refers to: segments, conditions and templates."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from customers.identity.personal_data.personal_names import PERSONAL, PERSONAL_TRAIT, classify_name
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.editing import check_condition, list_condition_segments
from customers.segments.models import Segment
from recommendations.flows.machine.definition_parsing import DefinitionProblem, list_problems
from recommendations.flows.machine.definition_schema import MESSAGE_STEPS, SEGMENT_STEPS
from recommendations.flows.machine.graph import FlowStep, build_graph
from recommendations.flows.models import Flow, FlowEntry, FlowVersion
from recommendations.messaging.channels import Channel
from recommendations.messaging.models import MessageTemplate

CHANNELS = {"offer": Channel.ON_SITE, "webhook": Channel.WEBHOOK}
SENDING = (Flow.Status.LIVE, Flow.Status.PAUSED, Flow.Status.ENDING)


class DefinitionError(ValueError):
    """A definition that cannot be used; ``problems`` lists the reasons."""

    def __init__(self, problems: list[DefinitionProblem]) -> None:
        super().__init__("; ".join(f"{problem.part}.{problem.field}: {problem.code}" for problem in problems))
        self.problems = problems


def check_definition(definition: Any, *, as_of: datetime) -> list[DefinitionProblem]:
    """Return all problems of a definition; empty if it can be published."""
    problems = list_problems(definition)
    return problems or list_reference_problems(definition, as_of=as_of)


def list_reference_problems(definition: Mapping[str, Any], *, as_of: datetime) -> list[DefinitionProblem]:
    """Return the problems of a well-formed definition with segments, conditions and templates."""
    graph = build_graph(definition)
    problems: list[DefinitionProblem] = []
    segments = dict(Segment.objects.values_list("key", "kind"))
    trigger = graph.trigger
    if trigger["kind"] == "segment" and trigger["segment"] not in segments:
        problems.append(DefinitionProblem("trigger", "segment", "unknown_segment", {"value": trigger["segment"]}))
    for part, condition in list_conditions(definition):
        problems += check_part_condition(part, condition, as_of=as_of)
    keys = list_template_keys(definition)
    templates = {template.key: template for template in MessageTemplate.objects.filter(key__in=keys)}
    published = set(
        MessageTemplate.objects.filter(key__in=keys, versions__published_at__isnull=False).values_list("key", flat=True)
    )
    for step in graph.steps.values():
        if step.kind in MESSAGE_STEPS:
            problems += check_template(step, templates.get(step.settings["template"]), published)
        elif step.kind in SEGMENT_STEPS:
            key = step.settings["segment"]
            code = "unknown_segment" if key not in segments else "not_static"
            if segments.get(key) != Segment.Kind.STATIC:
                problems.append(DefinitionProblem(step.key, "segment", code, {"value": key}))
        elif step.kind == "set_trait" and classify_name(step.settings["trait"]) & (PERSONAL | PERSONAL_TRAIT):
            problems.append(DefinitionProblem(step.key, "trait", "reserved_trait", {"value": step.settings["trait"]}))
    return problems


def list_conditions(definition: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the conditions of a well-formed definition with their parts."""
    if definition.get("filter"):
        yield "filter", definition["filter"]
    for part, raw in (("goal", definition.get("goal")), *(("exits", item) for item in definition.get("exits", []))):
        if raw and raw["kind"] == "condition":
            yield part, raw["condition"]
    for step in build_graph(definition).steps.values():
        if step.kind == "branch":
            yield step.key, step.settings["condition"]


def check_part_condition(part: str, condition: Any, *, as_of: datetime) -> list[DefinitionProblem]:
    try:
        check_condition(condition=condition, key="", as_of=as_of)
    except ConditionError as error:
        return [
            DefinitionProblem(part, "condition", "condition", {"value": f"{problem.path}: {problem.message}"})
            for problem in error.problems
        ]
    return []


def check_template(step: FlowStep, template: MessageTemplate | None, published: set[str]) -> list[DefinitionProblem]:
    key = step.settings["template"]
    if template is None:
        return [DefinitionProblem(step.key, "template", "unknown_template", {"value": key})]
    if template.archived_at is not None:
        return [DefinitionProblem(step.key, "template", "archived_template", {"value": key})]
    channel = CHANNELS.get(step.kind)
    if channel is not None and template.channel != channel:
        values = {"value": key, "valid": str(channel.label)}
        return [DefinitionProblem(step.key, "template", "wrong_channel", values)]
    if key not in published:
        return [DefinitionProblem(step.key, "template", "unpublished_template", {"value": key})]
    if step.kind == "message" and template.is_transactional and not step.settings.get("transactional"):
        return [DefinitionProblem(step.key, "template", "transactional_template", {"value": key})]
    return []


def list_template_keys(definition: Any) -> set[str]:
    """Return the keys of the templates that a definition sends; none if it is not well-formed."""
    if list_problems(definition):
        return set()
    steps = build_graph(definition).steps.values()
    return {step.settings["template"] for step in steps if step.kind in MESSAGE_STEPS}


def list_segment_keys(definition: Any) -> set[str]:
    """Return the keys of the segments in the trigger, the conditions and the steps of a definition; none if it is not well-formed."""
    if list_problems(definition):
        return set()
    graph = build_graph(definition)
    keys = {step.settings["segment"] for step in graph.steps.values() if step.kind in SEGMENT_STEPS}
    if graph.trigger["kind"] == "segment":
        keys.add(graph.trigger["segment"])
    return keys.union(*(list_condition_segments(condition) for _part, condition in list_conditions(definition)))


def list_sending_versions() -> list[FlowVersion]:
    """Return the versions that still send messages: the current ones of flows that go on, and those with customers inside."""
    inside = FlowEntry.objects.filter(version=OuterRef("pk"), status=FlowEntry.Status.ACTIVE)
    versions = FlowVersion.objects.filter(Q(is_current=True) | Exists(inside), flow__status__in=SENDING)
    return list(versions.select_related("flow").order_by("flow__name", "flow_id", "number"))


def list_flow_uses(template_key: str) -> list[str]:
    """Return the flows that still send a template."""
    return _name_flows(lambda definition: template_key in list_template_keys(definition))


def list_flows_of_segment(key: str) -> list[str]:
    """Return the flows that still read a segment, add customers to it, or remove them from it."""
    return _name_flows(lambda definition: key in list_segment_keys(definition))


def _name_flows(uses: Callable[[Any], bool]) -> list[str]:
    flows = {version.flow_id: version.flow.name for version in list_sending_versions() if uses(version.definition)}
    return [_("the flow “%(name)s”") % {"name": name} for name in flows.values()]


def find_flows_with_archived(versions: Iterable[FlowVersion]) -> set[int]:
    """Return the numbers of the flows whose version sends an archived template, so that these messages fail."""
    keys = {version.flow_id: list_template_keys(version.definition) for version in versions}
    archived = set(
        MessageTemplate.objects.filter(key__in=set().union(*keys.values()), archived_at__isnull=False).values_list(
            "key", flat=True
        )
    )
    return {flow_id for flow_id, used in keys.items() if used & archived}
