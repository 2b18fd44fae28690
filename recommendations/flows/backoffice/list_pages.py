"""The list of flows, the recipes, and the page of a new flow."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_percent
from config.foundation.slow_figures import get_figures_soon
from recommendations.flows.backoffice.access import ADD, check_flow_permissions, get_user
from recommendations.flows.backoffice.flow_labels import describe_trigger
from recommendations.flows.backoffice.reference_names import ReferenceNames, load_reference_names
from recommendations.flows.definition_checks import SENDING, find_flows_with_archived
from recommendations.flows.machine.definition_parsing import list_problems
from recommendations.flows.models import Flow, FlowVersion
from recommendations.flows.publishing import FlowKeyTakenError, create_flow
from recommendations.flows.recipes.recipe import FlowRecipe
from recommendations.flows.recipes.registry import RECIPES, RecipeError, create_flow_from_recipe
from recommendations.flows.statistics import FlowFigures, count_sent_messages, read_flow_figures

COLUMNS = (
    Column(key="name", label=gettext_lazy("Flow"), sort="name", align="text"),
    Column(key="status", label=gettext_lazy("Status"), sort="status", align="text"),
    Column(key="trigger", label=gettext_lazy("Trigger"), align="text wraps"),
    Column(key="entered", label=gettext_lazy("Entered"), sort="entered"),
    Column(key="inside", label=gettext_lazy("Inside"), sort="inside"),
    Column(key="sent", label=gettext_lazy("Sent"), sort="sent"),
    Column(key="goal_rate", label=gettext_lazy("Goal rate"), sort="goal_rate"),
)


def show_flows(request: HttpRequest) -> HttpResponse:
    """Show all flows with the people inside, the messages sent and their goal rate."""
    check_flow_permissions(request)
    flows = list(Flow.objects.all())
    shown = choose_shown_versions(flows)
    figures = read_flow_figures([flow.pk for flow in flows])
    sent = get_figures_soon("flows.sent", dict[int, int], count_sent_messages)
    names = load_reference_names()
    archived = find_flows_with_archived(shown[flow.pk] for flow in flows if flow.status in SENDING and flow.pk in shown)
    rows = [
        {
            **build_flow_row(flow, shown.get(flow.pk), figures[flow.pk], names),
            "sent": None if sent is None else sent.get(flow.pk, 0),
            "sends_archived": flow.pk in archived,
        }
        for flow in flows
    ]
    live = sum(flow.status == Flow.Status.LIVE for flow in flows)
    inside = sum(figure.inside for figure in figures.values())
    return render_page(
        request,
        "admin/flows/list.html",
        title=_("Flows"),
        verdict=describe_flows(live, inside),
        as_of=timezone.now(),
        table=build_table(
            request,
            rows,
            id="flows",
            label=_("Flows"),
            columns=COLUMNS,
            format_row=format_flow_row,
            default_sort="-inside",
        ),
    )


def describe_flows(live: int, inside: int) -> str:
    flows = ngettext("%(count)d flow is live.", "%(count)d flows are live.", live) % {"count": live}
    people = ngettext("%(count)s customer is in a flow.", "%(count)s customers are in flows.", inside) % {
        "count": number_format(inside, force_grouping=True)
    }
    return _("%(flows)s %(people)s") % {"flows": flows, "people": people}


def choose_shown_versions(flows: list[Flow]) -> dict[int, FlowVersion]:
    """Return the version of each flow that describes it: the current one, else the newest."""
    versions = FlowVersion.objects.filter(flow__in=flows).order_by("flow_id", "is_current", "number")
    return {version.flow_id: version for version in versions}


def build_flow_row(
    flow: Flow, version: FlowVersion | None, figures: FlowFigures, names: ReferenceNames
) -> dict[str, Any]:
    definition = version.definition if version else {}
    is_valid = version is not None and not has_trigger_problem(definition)
    trigger = describe_trigger(definition["trigger"], names) if is_valid else "–"
    return {
        "flow": flow,
        "name": flow.name,
        "status": str(flow.get_status_display()),
        "trigger": trigger,
        "entered": figures.entered,
        "inside": figures.inside,
        # without a goal, 0% would look like a failure
        "goal_rate": figures.goal_rate if definition.get("goal") or figures.reached_goal else None,
    }


def has_trigger_problem(definition: Any) -> bool:
    return any(problem.part in ("trigger", "definition") for problem in list_problems(definition))


def format_flow_row(row: dict[str, Any]) -> dict[str, Any]:
    flow = row["flow"]
    counts = {name: format_count(row[name]) for name in ("entered", "inside", "sent")}
    return {
        "name": Cell(flow.name, url=reverse("flows:flow", args=[flow.pk]), title=flow.description),
        "status": describe_status(row),
        "trigger": row["trigger"],
        **counts,
        "goal_rate": "–" if row["goal_rate"] is None else format_percent(row["goal_rate"]),
    }


def describe_status(row: dict[str, Any]) -> str:
    """Return the status, with a note if messages of the flow fail."""
    if not row["sends_archived"]:
        return str(row["status"])
    return _("%(status)s, but a template is archived") % {"status": row["status"]}


class NewFlowForm(forms.Form):
    name = forms.CharField(label=pgettext_lazy("thing", "Name"), max_length=200)
    description = forms.CharField(label=gettext_lazy("Description"), required=False, max_length=1000)


def show_new_flow(request: HttpRequest) -> HttpResponse:
    """Ask for the name of a new flow and create its draft."""
    check_flow_permissions(request, ADD)
    form = NewFlowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            flow = create_flow(**form.cleaned_data, by=get_user(request))
        except FlowKeyTakenError as error:
            form.add_error("name", str(error))
        else:
            return HttpResponseRedirect(reverse("flows:flow", args=[flow.pk]))
    return render_page(
        request,
        "admin/flows/form.html",
        title=_("New flow"),
        form=form,
        back=reverse("flows:list"),
        submit=_("Create draft"),
    )


def show_recipes(request: HttpRequest) -> HttpResponse:
    """Show the recipes, and which of them the shop uses."""
    check_flow_permissions(request, ADD)
    used: dict[str, Flow] = {}
    for flow in Flow.objects.exclude(recipe="").order_by("pk"):
        used[flow.recipe] = flow
    recipes = [{"recipe": recipe, "flow": used.get(key)} for key, recipe in RECIPES.items()]
    return render_page(
        request,
        "admin/flows/recipes.html",
        title=_("Recipes"),
        verdict=_("A recipe creates a draft flow with its templates. Nothing is sent until you publish the flow."),
        recipes=recipes,
    )


class RecipeForm(forms.Form):
    """The questions of a recipe."""

    def __init__(self, *args: Any, recipe: FlowRecipe, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for question in recipe.questions:
            self.fields[question.name] = forms.IntegerField(
                label=str(question.label),
                help_text=str(question.help),
                initial=question.initial,
                min_value=question.low,
                max_value=question.high,
            )


def show_recipe(request: HttpRequest, key: str) -> HttpResponse:
    """Ask what is missing and create the flow of a recipe."""
    check_flow_permissions(request, ADD)
    if key not in RECIPES:
        raise Http404
    recipe = RECIPES[key]
    form = RecipeForm(request.POST if request.method == "POST" else None, recipe=recipe)
    if request.method == "POST" and form.is_valid():
        try:
            flow = create_flow_from_recipe(key=key, answers=form.cleaned_data, now=timezone.now(), by=get_user(request))
        except RecipeError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The draft is ready. Check its templates, then publish it."))
            return HttpResponseRedirect(reverse("flows:flow", args=[flow.pk]))
    return render_page(
        request,
        "admin/flows/form.html",
        title=recipe.name,
        verdict=recipe.description,
        form=form,
        back=reverse("flows:recipes"),
        submit=_("Use recipe"),
    )
