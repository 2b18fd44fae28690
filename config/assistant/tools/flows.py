"""Tools for flows: the recipes, and a draft from one. Drafts are published in the back office."""

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from recommendations.flows.models import Flow
from recommendations.flows.recipes.registry import RECIPES


def run_list(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the flows with their state, and the recipes."""
    flows = call_endpoint(caller, "flow-list", query={"limit": 200})["results"]
    return ToolResult(
        data={
            "flows": [{name: row.get(name) for name in ("key", "name", "description", "status")} for row in flows],
            "recipes": call_endpoint(caller, "flow-recipes"),
        },
        as_of=timezone.now(),
        path=reverse("flows:list"),
        query={"name": "flows", "parameters": {}},
    )


def run_draft(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Create the draft flow of a recipe."""
    path = {"recipe": str(arguments["recipe"])}
    data = call_endpoint(
        caller, "flow-recipe", method="POST", path=path, body={"answers": arguments.get("answers") or {}}
    )
    flow = Flow.objects.get(key=data["key"])
    return ToolResult(
        data={name: data.get(name) for name in ("key", "name", "description", "status")},
        as_of=timezone.now(),
        path=reverse("flows:flow", args=[flow.pk]),
        query={"name": "flow-recipe", "parameters": path},
        notes=(_("This is a draft. Review and publish it in the back office."),),
    )


TOOLS = (
    Tool(
        name="list_flows",
        label=_("List flows and recipes"),
        description="List the flows of the shop with their state, and the recipes for drafts, with their questions.",
        run=run_list,
        scopes=("flows:read",),
    ),
    Tool(
        name="draft_flow",
        label=_("Draft a flow"),
        description="Create the draft of a flow from a recipe. It is never published here: a person does that in the back office.",
        run=run_draft,
        scopes=("flows:write",),
        properties={
            "recipe": {"type": "string", "enum": list(RECIPES)},
            "answers": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 10},
        },
        required=("recipe",),
        is_draft=True,
        synonyms={"en": ("draft a flow", "create a flow"), "zh-hans": ("创建流程草稿", "新建自动化流程")},
    ),
)
