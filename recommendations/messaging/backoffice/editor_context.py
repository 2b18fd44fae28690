"""What the editor's template shows."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from customers.lifecycle.models import Stage
from recommendations.messaging.channels import Channel
from recommendations.messaging.editor.blocks import build_blocks, read_fields
from recommendations.messaging.editor.operations import parse_path
from recommendations.messaging.editor.preview import list_sample_customers
from recommendations.messaging.mjml.edits import EditError, find_element
from recommendations.messaging.mjml.tree import parse_source
from recommendations.messaging.models import LANGUAGES, CouponPool, MessageTemplate, TemplateContent, TemplateVersion
from recommendations.messaging.substitution.variables import CUSTOMER_NAMES, LINK_NAMES, SHOP_NAMES


def describe_editor(
    request: HttpRequest, template: MessageTemplate, version: TemplateVersion | None, content: TemplateContent
) -> dict[str, Any]:
    """Return what all pages of one template show: languages, tabs and state."""
    written = {stored.language for stored in version.contents.all()} if version else set()
    return {
        "message_template": template,
        "version": version,
        "content": content,
        "language": content.language,
        "languages": [
            {"code": code, "label": label, "is_current": code == content.language, "is_written": code in written}
            for code, label in LANGUAGES
        ],
        "steps": list_steps(request, template),
        "is_email": template.channel == Channel.EMAIL,
        "is_draft": version is not None and version.published_at is None,
        "samples": [
            {"id": sample.customer_id, "label": Stage(sample.stage).label} for sample in list_sample_customers()
        ],
        "variables": list_variables(),
    }


def list_steps(request: HttpRequest, template: MessageTemplate) -> list[Any]:
    """Return the pages of a template as tabs."""
    current = request.resolver_match.url_name if request.resolver_match else ""
    labels = {
        "editor": _("Editor"),
        "source": pgettext("template", "Source"),
        "checks": _("Checks"),
        "versions": _("Versions"),
        "settings": _("Settings"),
    }
    return [
        {
            "label": label,
            "url": reverse(f"message_templates:{name}", args=[template.pk]),
            "is_current": name == current,
        }
        for name, label in labels.items()
    ]


def list_variables() -> list[str]:
    names = [*(f"customer.{name}" for name in CUSTOMER_NAMES), "event.product.title", "event.product.price"]
    names += [*(f"shop.{name}" for name in SHOP_NAMES), *(f"links.{name}" for name in LINK_NAMES)]
    return [f"{{{{ {name} }}}}" for name in names]


def list_block_choices(source: str, *, open_path: str = "") -> dict[str, Any]:
    """Return the blocks of a source, and the fields of the open one; without blocks, the problem of the source."""
    tree = parse_source(source)
    if tree.problems or not source.strip():
        return {"blocks": [], "source_problems": tree.problems}
    try:
        blocks = build_blocks(tree)
        fields = read_fields(tree, find_element(tree, parse_path(open_path))) if open_path else []
    except EditError:
        return {"blocks": [], "source_problems": tree.problems, "has_no_body": True}
    pools = list(CouponPool.objects.order_by("name").values_list("key", "name")) if open_path else []
    return {"blocks": blocks, "fields": fields, "pools": pools, "open": open_path}
