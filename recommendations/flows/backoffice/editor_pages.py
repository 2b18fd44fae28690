"""The pages that edit the draft of a flow: its trigger, filter, re-entry rule, goal, exits and steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from recommendations.flows.backoffice.access import CHANGE, get_flow, get_user
from recommendations.flows.backoffice.flow_labels import STEP_LABELS, TRIGGER_LABELS
from recommendations.flows.backoffice.part_forms import PartForm, list_event_names
from recommendations.flows.definition_checks import check_part_condition
from recommendations.flows.machine.definition_editing import (
    UnknownStepError,
    add_step,
    delete_step,
    find_step,
    make_key,
    move_step,
    replace_step,
)
from recommendations.flows.machine.definition_parsing import list_problems
from recommendations.flows.machine.definition_schema import (
    EXIT_KINDS,
    FIXED_BRANCHES,
    GOAL_KINDS,
    REENTRY_RULES,
    STEPS,
    TRIGGERS,
    DefinitionField,
    FieldKind,
)
from recommendations.flows.models import Flow
from recommendations.flows.problem_messages import PARTS, describe_fix
from recommendations.flows.publishing import FlowStateError, get_or_create_draft, lock_flow, save_draft

FILTER_FIELDS = (DefinitionField("condition", FieldKind.CONDITION),)
REENTRY_FIELDS = (
    DefinitionField("rule", FieldKind.CHOICE, choices=REENTRY_RULES),
    DefinitionField("days", FieldKind.INTEGER, required=False),
)
PLAIN_PARTS = {"filter": FILTER_FIELDS, "reentry": REENTRY_FIELDS}
PART_KINDS = {"trigger": TRIGGERS, "goal": GOAL_KINDS, "exits": EXIT_KINDS}
PART_NAMES = (*PART_KINDS, *PLAIN_PARTS)
STOP_LABELS = {"event": gettext_lazy("Event"), "condition": gettext_lazy("Condition")}
EXIT = gettext_lazy("Exit")
type Change = Callable[[dict[str, Any]], dict[str, Any]]


def change_draft(request: HttpRequest, flow: Flow, change: Change) -> bool:
    """Read and change the draft in one transaction; if that is not possible, show a message and return False."""
    try:
        with transaction.atomic():
            lock_flow(flow)
            draft = get_or_create_draft(flow=flow, by=get_user(request))
            save_draft(flow=flow, definition=change(draft.definition), by=get_user(request))
    except FlowStateError as error:
        messages.error(request, str(error))
    except UnknownStepError:
        messages.error(request, _("This step no longer exists: someone else has changed the flow."))
    else:
        return True
    return False


def read_definition(flow: Flow) -> dict[str, Any]:
    version = flow.versions.filter(published_at=None).first() or flow.versions.order_by("-number").first()
    definition: dict[str, Any] = version.definition if version else {}
    return definition


def return_to(flow: Flow) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("flows:flow", args=[flow.pk]))


def edit_part(request: HttpRequest, flow_id: int, part: str) -> HttpResponse:
    """Edit one part; ``?kind=`` chooses another kind of trigger, goal or exit; ``?exit=`` chooses the exit, else a new one is added."""
    flow = get_flow(request, flow_id, CHANGE)
    if part not in PART_NAMES:
        raise Http404
    definition = read_definition(flow)
    index = parse_index(request.GET.get("exit", ""))
    present = read_part(definition, part, index)
    kinds = PART_KINDS.get(part, {})
    kind = request.GET.get("kind", present.get("kind", ""))
    if kinds and kind not in kinds:
        kind = next(iter(kinds))
    fields = kinds[kind] if kinds else PLAIN_PARTS[part]
    values = present if not kinds or present.get("kind") == kind else {}
    form = PartForm(
        request.POST if request.method == "POST" else None, part_kind=kind or part, part_fields=fields, values=values
    )
    if request.method == "POST" and form.is_valid():
        settings = form.read_settings()
        value = build_part(part, kind, settings)
        if add_problems(form, write_part(definition, part, value, index), part, settings) and change_draft(
            request, flow, lambda draft: write_part(draft, part, value, index)
        ):
            return return_to(flow)
    labels = TRIGGER_LABELS if part == "trigger" else STOP_LABELS
    return render_part_form(
        request,
        flow,
        form,
        title=PARTS[part] if part != "exits" else EXIT,
        kind=kind,
        kinds=[(name, labels[name]) for name in kinds],
        index=index,
    )


@require_POST
def remove_part(request: HttpRequest, flow_id: int, part: str) -> HttpResponse:
    """Remove the goal, or the exit ``exit``."""
    flow = get_flow(request, flow_id, CHANGE)
    if part not in ("goal", "exits"):
        raise Http404
    index = parse_index(request.POST.get("exit", ""))
    change_draft(request, flow, lambda draft: write_part(draft, part, None, index))
    return return_to(flow)


def parse_index(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 3 else None


def read_part(definition: Mapping[str, Any], part: str, index: int | None) -> dict[str, Any]:
    """Return the present value of a part; empty for a new exit."""
    if part == "filter":
        return {"condition": definition.get("filter")}
    if part == "exits":
        exits = definition.get("exits") or []
        return exits[index] if index is not None and index < len(exits) else {}
    return definition.get(part) or {}


def build_part(part: str, kind: str, settings: Mapping[str, Any]) -> Any:
    """Return the value of a part in the definition."""
    if part == "filter":
        return settings.get("condition")
    if part == "reentry":
        return {name: item for name, item in settings.items() if name == "rule" or settings.get("rule") == "after"}
    return {"kind": kind, **settings}


def write_part(definition: Mapping[str, Any], part: str, value: Any, index: int | None) -> dict[str, Any]:
    """Return the definition with a part replaced. Of the exits, the one at the index is replaced, or removed if the value is None."""
    if part != "exits":
        return {**definition, part: value}
    exits = list(definition.get("exits") or [])
    place = len(exits) if index is None else index
    exits[place : place + 1] = [] if value is None else [value]
    return {**definition, "exits": exits}


def add_problems(
    form: forms.Form, definition: Mapping[str, Any], part: str, settings: Mapping[str, Any] | None = None
) -> bool:
    """Add the problems of a part or step, and of its condition, to the form; return whether there are none."""
    problems = [problem for problem in list_problems(definition) if problem.part == part]
    condition = (settings or {}).get("condition")
    if condition and not problems:
        problems = check_part_condition(part, condition, as_of=timezone.now())
    for problem in problems:
        names = [name for name in form.fields if name == problem.field or name.startswith(f"{problem.field}_")]
        form.add_error(names[0] if problem.field and names else None, describe_fix(problem))
    return not problems


def add_new_step(request: HttpRequest, flow_id: int) -> HttpResponse:
    """Add a step of ``?kind=`` after a step, or at the start of a branch or of the flow."""
    flow = get_flow(request, flow_id, CHANGE)
    kind = request.GET.get("kind", "")
    if kind not in STEPS:
        raise Http404
    definition = read_definition(flow)
    place = {name: request.GET.get(name, "") for name in ("after", "into", "branch")}
    key = make_key(definition, kind)
    form = PartForm(
        request.POST if request.method == "POST" else None, part_kind=kind, part_fields=STEPS[kind], values={}
    )
    if (request.method == "POST" and form.is_valid()) or not STEPS[kind]:
        settings = form.read_settings() if STEPS[kind] else {}
        step: dict[str, Any] = {"key": key, "kind": kind, **settings}
        if kind in FIXED_BRANCHES or kind == "split":
            step["branches"] = {}
        try:
            changed = add_step(definition, step, **place)
        except UnknownStepError as error:
            raise Http404 from error
        if add_problems(form, changed, key, settings) and change_draft(
            request, flow, lambda draft: add_step(draft, step, **place)
        ):
            return return_to(flow)
    return render_part_form(request, flow, form, title=STEP_LABELS[kind], kind=kind)


def edit_step(request: HttpRequest, flow_id: int, key: str) -> HttpResponse:
    """Edit the settings of a step."""
    flow = get_flow(request, flow_id, CHANGE)
    definition = read_definition(flow)
    try:
        step = find_step(definition, key)
    except UnknownStepError as error:
        raise Http404 from error
    form = PartForm(
        request.POST if request.method == "POST" else None,
        part_kind=step["kind"],
        part_fields=STEPS[step["kind"]],
        values=step,
    )
    if request.method == "POST" and form.is_valid():
        settings = form.read_settings()
        if add_problems(form, replace_step(definition, key, settings), key, settings) and change_draft(
            request, flow, lambda draft: replace_step(draft, key, settings)
        ):
            return return_to(flow)
    return render_part_form(request, flow, form, title=STEP_LABELS[step["kind"]], kind=step["kind"])


def render_part_form(
    request: HttpRequest,
    flow: Flow,
    form: forms.Form,
    *,
    title: Any,
    kind: str,
    kinds: Sequence[tuple[str, Any]] = (),
    index: int | None = None,
) -> HttpResponse:
    return render_page(
        request,
        "admin/flows/part_form.html",
        title=title,
        flow=flow,
        form=form,
        kind=kind,
        kinds=kinds,
        index=index,
        event_names=list_event_names(),
    )


@require_POST
def move_existing_step(request: HttpRequest, flow_id: int, key: str) -> HttpResponse:
    flow = get_flow(request, flow_id, CHANGE)
    by = -1 if request.POST.get("direction") == "up" else 1
    change_draft(request, flow, lambda draft: move_step(draft, key, by=by))
    return return_to(flow)


@require_POST
def delete_existing_step(request: HttpRequest, flow_id: int, key: str) -> HttpResponse:
    flow = get_flow(request, flow_id, CHANGE)
    change_draft(request, flow, lambda draft: delete_step(draft, key))
    return return_to(flow)
