"""Tools for segments: list them and the fields of conditions, size a condition, and draft a segment."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from customers.segments.editing import make_segment_key
from customers.segments.models import Segment

CONDITION = {
    "type": "object",
    "description": (
        'A tree of {"all": […]}, {"any": […]}, {"not": …} and comparisons such as {"field": "stage", "op": "in", "value": ["at_risk"]}; '
        "list_segment_fields has the fields and operators."
    ),
}
LIST = "admin:segments_segment_changelist"


def run_list_segments(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the segments with their sizes."""
    page = call_endpoint(caller, "segments", query={"limit": 200})
    data = [
        {name: row[name] for name in ("key", "name", "description", "kind", "size", "last_evaluated_at")}
        for row in page["results"]
    ]
    return ToolResult(data=data, as_of=timezone.now(), path=reverse(LIST), query={"name": "segments", "parameters": {}})


def run_list_fields(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the fields of conditions."""
    data = call_endpoint(caller, "segment-fields")
    return ToolResult(data=data, as_of=timezone.now(), query={"name": "segment-fields", "parameters": {}})


def run_size(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Count the customers who match a condition; nothing is saved."""
    body = {"condition": arguments["condition"], "sample": 0}
    data = call_endpoint(caller, "segment-preview", method="POST", body=body)
    return ToolResult(
        data={"count": data["count"]},
        as_of=timezone.now(),
        path=reverse("customer_list:list"),
        query={"name": "segment-preview", "parameters": {"condition": arguments["condition"]}},
    )


def run_draft(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Save a dynamic segment. This sends no messages."""
    body: dict[str, Any] = {
        "key": make_segment_key(str(arguments["name"])),
        "name": arguments["name"],
        "description": arguments.get("description", ""),
        "kind": Segment.Kind.DYNAMIC.value,
        "condition": arguments["condition"],
    }
    data = call_endpoint(caller, "segments", method="POST", body=body)
    segment = Segment.objects.get(key=data["key"])
    return ToolResult(
        data={name: data[name] for name in ("key", "name", "description", "kind", "condition")},
        as_of=timezone.now(),
        path=reverse("admin:segments_segment_change", args=[segment.pk]),
        query={"name": "segments", "parameters": {"key": data["key"]}},
    )


TOOLS = (
    Tool(
        name="list_segments",
        label=_("List segments"),
        description="List the segments of the shop with key, name, condition type and size.",
        run=run_list_segments,
        scopes=("segments:read",),
    ),
    Tool(
        name="list_segment_fields",
        label=_("List the fields of segments"),
        description="List the fields, operators and choices that conditions of segments can use.",
        run=run_list_fields,
        scopes=("segments:read",),
    ),
    Tool(
        name="size_segment",
        label=_("Count segment members"),
        description="Count the customers who match a condition now. Nothing is saved.",
        run=run_size,
        scopes=("segments:read",),
        properties={"condition": CONDITION},
        required=("condition",),
        synonyms={"en": ("size a segment", "count a segment"), "zh-hans": ("人群规模", "预估人群")},
    ),
    Tool(
        name="draft_segment",
        label=_("Draft a segment"),
        description="Save a dynamic segment. It sends nothing; a person uses it in the back office.",
        run=run_draft,
        scopes=("segments:write",),
        properties={
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": {"type": "string", "maxLength": 2000},
            "condition": CONDITION,
        },
        required=("name", "condition"),
        is_draft=True,
        synonyms={"en": ("draft a segment", "create a segment"), "zh-hans": ("新建人群", "创建人群草稿")},
    ),
)
