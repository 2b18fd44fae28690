"""Tools for campaigns: list them, read results, and draft one. None of them launches a campaign: that is done, and approved, in the back office."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from recommendations.campaigns.models import Campaign

READ, WRITE = "campaigns:read", "campaigns:write"
SHOWN = (
    "key",
    "name",
    "description",
    "channel",
    "segment",
    "kind",
    "status",
    "holdout_share",
    "next_run_at",
    "problem",
)
KEY = {"type": "string", "minLength": 1, "maxLength": 100, "description": "The key of a campaign."}


def make_page_path(key: str) -> str:
    """Return the page of a campaign."""
    campaign = Campaign.objects.filter(key=key).only("pk").first()
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk]) if campaign else ""


def run_list(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the campaigns with their status."""
    page = call_endpoint(caller, "campaigns", query={"limit": 200})
    return ToolResult(
        data=[{name: row[name] for name in SHOWN} for row in page["results"]],
        as_of=timezone.now(),
        path=reverse("admin:campaigns_campaign_changelist"),
        query={"name": "campaigns", "parameters": {}},
    )


def run_results(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return what a campaign caused."""
    path = {"key": str(arguments["key"])}
    return ToolResult(
        data=call_endpoint(caller, "campaign-results", path=path),
        as_of=timezone.now(),
        path=make_page_path(path["key"]),
        query={"name": "campaign-results", "parameters": path},
    )


def run_draft(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Create the draft of a campaign, and count its audience."""
    body: dict[str, Any] = dict(arguments)
    data = call_endpoint(caller, "campaigns", method="POST", body=body)
    preview, problem = None, ""
    if caller.may(READ):
        try:
            preview = call_endpoint(caller, "campaign-preview", method="POST", path={"key": data["key"]})
        except ToolError as error:  # the draft exists all the same
            problem = str(error)
    return ToolResult(
        data={"campaign": {name: data[name] for name in SHOWN}, "audience": preview},
        as_of=timezone.now(),
        path=make_page_path(data["key"]),
        query={"name": "campaigns", "parameters": {"key": data["key"]}},
        notes=(_("This is a draft. Review and launch it in the back office."), problem),
    )


TOOLS = (
    Tool(
        name="list_campaigns",
        label=_("List campaigns"),
        description="List the campaigns of the shop with key, name, channel, segment and status.",
        run=run_list,
        scopes=(READ,),
    ),
    Tool(
        name="read_campaign_results",
        label=_("Read the results of a campaign"),
        description=(
            "Return what a campaign caused compared with its holdout group, with intervals, and what happened to its messages. If the "
            "headline says that no effect is shown, say so too."
        ),
        run=run_results,
        scopes=(READ,),
        properties={"key": KEY},
        required=("key",),
        synonyms={"en": ("campaign results", "campaign performance"), "zh-hans": ("活动效果", "营销活动结果")},
    ),
    Tool(
        name="draft_campaign",
        label=_("Draft a campaign"),
        description="Create the draft of a campaign for a segment. It is never launched here: a person does that in the back office.",
        run=run_draft,
        scopes=(WRITE,),
        properties={
            "key": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,100}$"},
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "description": {"type": "string", "maxLength": 2000},
            "segment": {"type": "string", "maxLength": 100, "description": "The key of a segment."},
            "channel": {"type": "string", "enum": list(Campaign.Channel.values)},
            "template": {"type": "string", "maxLength": 100, "description": "The key of a message template."},
            "holdout_share": {"type": "string", "pattern": r"^0(\.\d{1,4})?$", "description": "0.1 by default."},
        },
        required=("key", "name", "segment"),
        is_draft=True,
        synonyms={"en": ("draft a campaign", "create a campaign"), "zh-hans": ("创建活动草稿", "新建营销活动")},
    ),
)
