"""Tools for customers: find some, explain one, and list stage changes."""

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.endpoints import call_endpoint
from config.assistant.tools.metrics import parse_day
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from config.foundation.audit_log import record_access
from config.foundation.backoffice.date_range import DayRange
from customers.identity.models import Customer, Identifier
from customers.identity.resolution.user_ids import find_customer
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.list_filter import ListFilter, ListFilterError, parse_list_filter, query_listed
from customers.segments.customer_list.quick_filters import QUICK_FILTERS
from customers.segments.membership import annotate_list_columns
from customers.segments.rest.serializers import MemberSerializer

MAX_CUSTOMERS = 50
SCOPE = "customers:read"
USER_ID = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "The user ID of the customer in the shop.",
}


def run_find_customers(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """List customers by an ID, address or number, or by stage, churn risk and last order; the most valuable first."""
    parameters = {name: str(arguments.get(name) or "") for name in (*QUICK_FILTERS, "q")}
    as_of = timezone.now()
    try:
        listed = parse_list_filter(parameters)
        customers = query_listed(listed, as_of=as_of)
    except (ListFilterError, ConditionError) as error:
        raise ToolError(str(error)) from error
    limit = int(arguments.get("limit") or 10)
    shown = annotate_list_columns(customers).order_by("-profile__revenue", "pk")[:limit]
    serializer = MemberSerializer(shown, many=True, context={"request": CallerContext(caller)})  # type: ignore[arg-type]
    data = {"count": customers.count(), "customers": serializer.data}
    if caller.with_personal:
        record_access(model=Customer, pks=[row["customer_id"] for row in serializer.data])
    return ToolResult(
        data=data, as_of=as_of, path=make_list_path(listed), query={"name": "customer-list", "parameters": hide(listed)}
    )


class CallerContext:
    """Replaces the request in serializers, which read from it what the caller may see."""

    def __init__(self, caller: AssistantCaller) -> None:
        self.auth = caller.grant


def make_list_path(listed: ListFilter) -> str:
    """Return the customers list with the filter, without the search text, which can be personal."""
    query = ListFilter(listed.quick, listed.condition).query
    return f"{reverse('customer_list:list')}?{query}" if query else reverse("customer_list:list")


def hide(listed: ListFilter) -> dict[str, Any]:
    return {**listed.quick, "has_search": bool(listed.search)}


def run_explain_customer(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the profile of a customer, the stage history with reasons, the segments with reasons, and the next best action."""
    path = {"user_id": str(arguments["user_id"])}
    profile = call_endpoint(caller, "customer-profile", path=path)
    data: dict[str, Any] = {
        "profile": profile,
        "stage_changes": call_endpoint(caller, "customer-stages", path=path, query={"limit": 20})["stages"],
    }
    if caller.may("segments:read"):
        data["segments"] = call_endpoint(caller, "customer-segments", path=path, query={"explain": "true"})["segments"]
    data["next_best_action"] = call_endpoint(caller, "customer-next-action", path=path)
    customer = find_customer(Identifier.Kind.USER_ID, path["user_id"])
    page = reverse("admin:lifecycle_customerprofile_change", args=[customer.pk]) if customer else ""
    return ToolResult(
        data=data, as_of=timezone.now(), path=page, query={"name": "customer-profile", "parameters": {"user_id": "…"}}
    )


def run_list_stage_changes(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return customers per stage before and after, and the changes between all pairs of stages."""
    query: dict[str, Any] = {}
    if arguments.get("since") or arguments.get("until"):
        today = timezone.localdate()
        until = parse_day("until", arguments["until"]) if arguments.get("until") else today
        since = parse_day("since", arguments["since"]) if arguments.get("since") else min(until, today).replace(day=1)
        if until < since:
            raise ToolError("until: it is before since; choose a later day.")
        days = DayRange(since, until)
        query = {"since": days.start.isoformat(), "until": days.end.isoformat()}
    data = call_endpoint(caller, "lifecycle-summary", query=query)
    return ToolResult(
        data={name: data[name] for name in ("since", "until", "stages", "transitions")},
        as_of=timezone.now(),
        path=reverse("admin:lifecycle_stages"),
        query={"name": "lifecycle-summary", "parameters": query},
    )


TOOLS = (
    Tool(
        name="find_customers",
        label=_("Find customers"),
        description=(
            "Find customers by a complete user ID, email address, phone number or customer number (q), or list customers by stage, churn "
            "risk or last order. Names, addresses and numbers are masked unless the caller may see personal data."
        ),
        run=run_find_customers,
        scopes=(SCOPE,),
        properties={
            "q": {
                "type": "string",
                "maxLength": 200,
                "description": "A complete ID, address or number; partial values do not match.",
            },
            **{name: {"type": "string", "enum": list(quick.choices)} for name, quick in QUICK_FILTERS.items()},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_CUSTOMERS},
        },
        synonyms={"en": ("find a customer", "list customers"), "zh-hans": ("查找客户", "客户列表")},
    ),
    Tool(
        name="explain_customer",
        label=_("Explain a customer"),
        description=(
            "Return everything that is known about one customer and why: profile, stage history with reasons, segments with reasons, "
            "predictions, next best action. Personal data is masked unless the caller may see it."
        ),
        run=run_explain_customer,
        scopes=(SCOPE,),
        properties={"user_id": USER_ID},
        required=("user_id",),
        synonyms={"en": ("explain a customer", "customer profile"), "zh-hans": ("解释客户", "客户画像")},
    ),
    Tool(
        name="list_stage_changes",
        label=_("List stage changes"),
        description="Return how many customers were in each lifecycle stage before and after a period, and between which stages they moved.",
        run=run_list_stage_changes,
        scopes=(SCOPE,),
        properties={
            "since": {
                "type": "string",
                "maxLength": 10,
                "description": "First day, YYYY-MM-DD; four weeks ago by default.",
            },
            "until": {"type": "string", "maxLength": 10, "description": "Last day, YYYY-MM-DD; today by default."},
        },
        synonyms={"en": ("stage changes", "lifecycle changes"), "zh-hans": ("阶段变化", "生命周期变化")},
    ),
)
