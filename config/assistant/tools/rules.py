"""Tools for the rules of recommendations: list them, and draft a disabled one."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from recommendations.merchandising.choices import RuleAction, RulePlacement

SHOWN = ("id", "name", "description", "enabled", "action", "priority", "scenarios", "starts_at", "ends_at")
LIST = "admin:merchandising_rule_changelist"


def run_list(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the rules."""
    page = call_endpoint(caller, "rules", query={"limit": 200})
    return ToolResult(
        data=[{name: row.get(name) for name in SHOWN} for row in page["results"]],
        as_of=timezone.now(),
        path=reverse(LIST),
        query={"name": "rules", "parameters": {}},
    )


def run_draft(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Create a rule that is disabled."""
    body: dict[str, Any] = {**arguments, "enabled": False}
    data = call_endpoint(caller, "rules", method="POST", body=body)
    return ToolResult(
        data={name: data.get(name) for name in SHOWN},
        as_of=timezone.now(),
        path=reverse("admin:merchandising_rule_change", args=[data["id"]]),
        query={"name": "rules", "parameters": {"id": data["id"]}},
        notes=(_("This rule is disabled. Review and enable it in the back office."),),
    )


TOOLS = (
    Tool(
        name="list_rules",
        label=_("List rules"),
        description="List the merchandising rules: pin, boost, bury, hide or only certain products.",
        run=run_list,
        scopes=("recommendations:read",),
    ),
    Tool(
        name="draft_rule",
        label=_("Draft a rule"),
        description="Create a disabled rule for recommendations. A person enables it in the back office.",
        run=run_draft,
        scopes=("recommendations:write",),
        properties={
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "action": {"type": "string", "enum": list(RuleAction.values)},
            "factor": {"type": "number"},
            "position": {"type": "integer", "minimum": 1, "maximum": 100},
            "scenarios": {"type": "array", "items": {"type": "string", "enum": list(RulePlacement.values)}},
            "category": {"type": "string", "maxLength": 500},
            "brand": {"type": "string", "maxLength": 200},
            "product_ids": {"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 100},
            "tag": {"type": "string", "maxLength": 100},
            "segment": {"type": "string", "maxLength": 100, "description": "The key of a segment."},
        },
        required=("name", "action"),
        is_draft=True,
        synonyms={"en": ("draft a rule", "create a rule"), "zh-hans": ("创建规则草稿", "新建规则")},
    ),
)
