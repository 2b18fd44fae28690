"""Tools for demand: the forecast of a product, and what to restock."""

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.tool import Arguments, Tool, ToolResult

MAX_ROWS = 50


def run_forecast(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the expected units per day of a product in the next 28 days."""
    page = call_endpoint(caller, "demand-forecasts", query={"product_id": arguments["product_id"], "limit": 1})
    notes = () if page["results"] else (_("There is no forecast for this product ID."),)
    return ToolResult(
        data=page["results"],
        as_of=timezone.now(),
        path=reverse("demand:restock"),
        query={"name": "demand-forecasts", "parameters": {"product_id": arguments["product_id"]}},
        notes=notes,
    )


def run_restock(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the products to order."""
    query = {"state": arguments.get("state", ""), "limit": arguments.get("limit") or MAX_ROWS}
    page = call_endpoint(caller, "demand-restock", query=query)
    return ToolResult(
        data=page["results"],
        as_of=timezone.now(),
        path=reverse("demand:restock"),
        query={"name": "demand-restock", "parameters": query},
    )


TOOLS = (
    Tool(
        name="forecast_demand",
        label=_("Forecast demand"),
        description="Return the expected units per day of a product in the next 28 days, with 80% intervals and the model behind them.",
        run=run_forecast,
        scopes=("demand:read",),
        properties={"product_id": {"type": "string", "minLength": 1, "maxLength": 200}},
        required=("product_id",),
        synonyms={"en": ("forecast demand", "demand forecast"), "zh-hans": ("预测需求", "需求预测")},
    ),
    Tool(
        name="list_restock",
        label=_("List products to restock"),
        description="Return when to order which product and how much: state now or soon (within a week).",
        run=run_restock,
        scopes=("demand:read",),
        properties={
            "state": {"type": "string", "enum": ["now", "soon"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS},
        },
    ),
)
