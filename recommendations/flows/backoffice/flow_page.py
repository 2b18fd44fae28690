"""The page of one flow: its state, its steps as a list with the people at each of them, its versions, and a dry run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.number_formats import join_label
from config.foundation.slow_figures import get_figures
from customers.identity.models import Identifier
from recommendations.flows.backoffice.access import CHANGE, VIEW_PEOPLE, get_flow
from recommendations.flows.backoffice.flow_labels import (
    STEP_LABELS,
    describe_condition,
    describe_reentry,
    describe_step,
    describe_stop,
    describe_trigger,
    label_outcome,
)
from recommendations.flows.backoffice.reference_names import ReferenceNames, load_reference_names
from recommendations.flows.definition_checks import check_definition, list_template_keys
from recommendations.flows.dry_run import DryRunLine, run_dry
from recommendations.flows.machine.definition_parsing import DefinitionProblem, list_problems
from recommendations.flows.machine.definition_schema import MAX_EXITS, MESSAGE_STEPS
from recommendations.flows.machine.graph import list_branches
from recommendations.flows.models import Flow, FlowVersion
from recommendations.flows.problem_messages import describe_fix, describe_problem
from recommendations.flows.publishing import get_current, get_draft
from recommendations.flows.statistics import (
    MessageFigures,
    StepFigures,
    read_flow_figures,
    read_message_figures,
    read_step_figures,
)
from recommendations.messaging.models import MessageTemplate
from recommendations.sending.models import SkipReason

NO_FIGURES = StepFigures()


@dataclass
class ShownStep:
    """A step as the page shows it, with its branches."""

    key: str
    kind: str
    text: str
    figures: StepFigures
    messages: MessageFigures | None
    problems: list[str]
    is_first: bool
    is_last: bool
    people_url: str
    message_url: str = ""  # the editor of the template
    branches: list["ShownBranch"] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Return how many failed here, including messages that could not be sent."""
        return self.figures.failed + (self.messages.failed if self.messages else 0)


@dataclass
class ShownBranch:
    name: str
    label: str
    count: str
    steps: list[ShownStep]


def show_flow(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Show a flow. ``?version=`` chooses one; without it the draft is shown, or else the current version."""
    flow = get_flow(request, flow_id)
    version = choose_version(request, flow)
    may_change = request.user.has_perm(CHANGE) and flow.status not in (Flow.Status.ENDING, Flow.Status.ENDED)
    is_draft = version.published_at is None
    problems = check_definition(version.definition, as_of=timezone.now())
    names = load_reference_names()
    steps = ListBuilder(flow, version, problems, names).build(version.definition.get("steps", []))
    return render_page(
        request,
        "admin/flows/flow.html",
        title=flow.name,
        verdict=describe_state(flow),
        as_of=timezone.now(),
        flow=flow,
        version=version,
        is_draft=is_draft,
        has_draft=get_draft(flow) is not None,
        may_edit=may_change and (is_draft or get_draft(flow) is None),
        may_change=may_change,
        may_end=request.user.has_perm(CHANGE) and flow.status in (Flow.Status.LIVE, Flow.Status.PAUSED),
        may_test=request.user.has_perm(VIEW_PEOPLE),
        steps=steps,
        parts=build_parts(version.definition, problems, names),
        problems=[describe_problem(problem) for problem in problems],
        versions=list(flow.versions.all()[:20]),
        step_kinds=list(STEP_LABELS.items()),
    )


def choose_version(request: HttpRequest, flow: Flow) -> FlowVersion:
    number = request.GET.get("version", "")
    if number.isdecimal() and len(number) < 9 and (chosen := flow.versions.filter(number=number).first()):
        return chosen
    version = get_draft(flow) or get_current(flow) or flow.versions.first()
    assert version is not None  # a flow is created with its first version
    return version


def describe_state(flow: Flow) -> str:
    """Return one sentence on the state of a flow."""
    inside = read_flow_figures([flow.pk])[flow.pk].inside
    people = ngettext("%(count)s customer is in it.", "%(count)s customers are in it.", inside) % {
        "count": number_format(inside, force_grouping=True)
    }
    match flow.status:
        case Flow.Status.DRAFT:
            return _("Draft: customers enter only after it is published.")
        case Flow.Status.LIVE:
            return _("Live. %(people)s") % {"people": people}
        case Flow.Status.PAUSED:
            return _("Paused: no customers enter, and nothing is sent. %(people)s") % {"people": people}
        case Flow.Status.ENDING:
            return _("Ending: no new customers enter. %(people)s") % {"people": people}
    return _("Ended.")


@dataclass(frozen=True)
class ShownPart:
    """A part above the steps: its lines, which are several for exits, and the problems."""

    key: str
    label: str
    lines: list["ShownLine"]
    problems: list[str]
    add_label: str = ""  # of the link that adds a line; empty without one


@dataclass(frozen=True)
class ShownLine:
    """One line of a part. query: chooses it in the form; is_removable: goals and exits can be removed."""

    text: str
    query: str = ""
    index: int | None = None
    is_removable: bool = False


def build_parts(
    definition: Mapping[str, Any], problems: list[DefinitionProblem], names: ReferenceNames
) -> list[ShownPart]:
    """Return the parts above the steps: the trigger, the filter, the re-entry rule, the goal and the exits."""
    broken = {problem.part for problem in list_problems(definition)}
    goal, exits = definition.get("goal"), definition.get("exits") or []
    describers: dict[str, tuple[str, Callable[[], list[ShownLine]], str]] = {
        "trigger": (_("Starts when"), lambda: [ShownLine(describe_trigger(definition["trigger"], names))], ""),
        "filter": (_("For"), lambda: [ShownLine(describe_condition(definition.get("filter")))], ""),
        "reentry": (_("Re-entry rule"), lambda: [ShownLine(describe_reentry(definition["reentry"]))], ""),
        "goal": (
            _("Goal"),
            lambda: [ShownLine(describe_stop(goal), is_removable=True)] if goal else [],
            "" if goal else _("Add a goal"),
        ),
        "exits": (
            _("Exits early if"),
            lambda: [
                ShownLine(describe_stop(part), query=f"?exit={index}", index=index, is_removable=True)
                for index, part in enumerate(exits)
            ],
            _("Add an exit") if len(exits) < MAX_EXITS else "",
        ),
    }
    return [
        ShownPart(
            key,
            label,
            [ShownLine(_("not valid"))] if key in broken else describe(),
            [describe_fix(problem) for problem in problems if problem.part == key],
            add_label,
        )
        for key, (label, describe, add_label) in describers.items()
    ]


class ListBuilder:
    """Builds the list of steps with their figures."""

    def __init__(
        self, flow: Flow, version: FlowVersion, problems: list[DefinitionProblem], names: ReferenceNames
    ) -> None:
        self.people_url = reverse("flows:people", args=[flow.pk])
        self.version = version
        self.problems = problems
        self.names = names
        is_published = version.published_at is not None
        self.figures = read_step_figures(version.pk) if is_published else {}
        self.messages: dict[str, MessageFigures] = {}
        self.templates = read_templates(version.definition)
        if is_published:
            name = f"flows.messages.{version.pk}"
            self.messages = get_figures(name, dict[str, MessageFigures], lambda: read_message_figures(version.pk))

    def build(self, steps: list[dict[str, Any]]) -> list[ShownStep]:
        return [self.build_step(step, index, len(steps)) for index, step in enumerate(steps)]

    def build_step(self, step: dict[str, Any], index: int, total: int) -> ShownStep:
        problems = [problem for problem in self.problems if problem.part == step["key"]]
        figures = self.figures.get(step["key"], NO_FIGURES)
        # a step with a problem may lack settings, so that only its kind is shown
        template = self.templates.get(step.get("template", "")) if step["kind"] in MESSAGE_STEPS else None
        text = str(STEP_LABELS.get(step["kind"], step["kind"])) if problems else describe_step(step, self.names)
        if template is not None:
            text = join_label(STEP_LABELS[step["kind"]], template.name)
        query = urlencode({"version": self.version.number, "step": step["key"]})
        return ShownStep(
            key=step["key"],
            kind=step["kind"],
            text=text,
            figures=figures,
            messages=self.messages.get(step["key"]),
            problems=[describe_fix(problem) for problem in problems],
            is_first=index == 0,
            is_last=index == total - 1,
            people_url=f"{self.people_url}?{query}",
            message_url=reverse("message_templates:editor", args=[template.pk]) if template is not None else "",
            branches=[self.build_branch(step, name, figures) for name in list_branches(step)],
        )

    def build_branch(self, step: dict[str, Any], name: str, figures: StepFigures) -> ShownBranch:
        count = number_format(figures.outcomes.get(name, 0), force_grouping=True)
        return ShownBranch(name, label_outcome(name), count, self.build(step.get("branches", {}).get(name, [])))


def read_templates(definition: Mapping[str, Any]) -> dict[str, MessageTemplate]:
    """Return the templates that a definition sends, by key."""
    templates = MessageTemplate.objects.filter(key__in=list_template_keys(definition))
    return {template.key: template for template in templates}


def describe_outcome(line: DryRunLine) -> str:
    if line.skip_reason:
        return _("not sent: %(reason)s") % {"reason": SkipReason(line.skip_reason).label}
    return label_outcome(line.outcome)


def show_dry_run(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Show what the flow would do for one customer; ``?user_id=`` chooses the customer."""
    flow = get_flow(request, flow_id, VIEW_PEOPLE)
    version = choose_version(request, flow)
    user_id = request.GET.get("user_id", "").strip()[:255]
    problem, result, lines = "", None, []
    if user_id:
        identifier = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=user_id).first()
        if list_problems(version.definition):
            problem = _("The flow has problems, which are listed on its page. Fix them first.")
        elif identifier is None:
            problem = _("No customer has this user ID. Check it on the page of the customer.")
        else:
            now, names = timezone.now(), load_reference_names()
            result = run_dry(flow=flow, definition=version.definition, customer_id=identifier.customer_id, now=now)
            lines = [
                {
                    "at": date_format(timezone.localtime(line.at), "DATETIME_FORMAT"),
                    "text": describe_step(line.step.settings, names),
                    "outcome": describe_outcome(line),
                    "depth": line.step.depth,
                }
                for line in result.lines
            ]
    return render_page(
        request,
        "admin/flows/dry_run.html",
        title=_("Test run: %(name)s") % {"name": flow.name},
        verdict=_("What would happen to a customer who starts the flow now. Nothing is sent or changed."),
        flow=flow,
        user_id=user_id,
        problem=problem,
        result=result,
        lines=lines,
    )
