"""Tool for recommendations: what a customer is shown, and why."""

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.tools.customers import USER_ID
from config.assistant.tools.tool import Arguments, Tool, ToolResult
from customers.identity.models import Identifier
from customers.identity.personal_data.masking import mask_id
from customers.identity.resolution.user_ids import find_customer
from recommendations.serving.backoffice.preview import build_preview, make_customer_request
from recommendations.serving.backoffice.why import explain_preview

MAX_ITEMS = 20


def run_explain(arguments: Arguments, caller: AssistantCaller) -> ToolResult:
    """Return the products that a customer is shown now, each with its reasons."""
    user_id, now = str(arguments["user_id"]), timezone.now()
    customer = find_customer(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise ToolError(_("Unknown user ID."))
    preview = build_preview(request=make_customer_request(customer, n=int(arguments.get("n") or 10)), now=now)
    items = [
        {
            "rank": number,
            "product_id": each.entry.item.product_id,
            "reason_for_visitors": each.entry.item.reason.text if each.entry.item.reason else None,
            "why": each.sentences,
        }
        for number, each in enumerate(explain_preview(preview), 1)
    ]
    wanted = arguments.get("product_id")
    if wanted:
        items = [item for item in items if item["product_id"] == wanted]
    return ToolResult(
        data={"user_id": mask_id(user_id, with_personal=caller.with_personal), "items": items},
        as_of=now,
        path=reverse("admin:lifecycle_customerprofile_change", args=[customer.pk]),
        query={"name": "recommendations", "parameters": {"scenario": "for-you"}},
        notes=() if items or not wanted else (_("This product is not among the products that the customer is shown."),),
    )


TOOLS = (
    Tool(
        name="explain_recommendation",
        label=_("Explain why a product is shown"),
        description=(
            "Return the products that a customer is shown first, each with the reasons and their shares of the score; with product_id, "
            "only that product."
        ),
        run=run_explain,
        scopes=("recommendations:read", "customers:read"),
        properties={
            "user_id": USER_ID,
            "product_id": {"type": "string", "maxLength": 200},
            "n": {"type": "integer", "minimum": 1, "maximum": MAX_ITEMS},
        },
        required=("user_id",),
        synonyms={
            "en": ("why is this product shown", "explain a recommendation"),
            "zh-hans": ("为什么推荐", "推荐原因"),
        },
    ),
)
