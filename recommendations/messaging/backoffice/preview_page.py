"""The preview next to the editor: a separate sandboxed document that shows the message as one customer would get it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from config.foundation.audit_log import record_access
from customers.identity.customer_search import build_customer_search
from customers.identity.models import Customer
from customers.identity.personal_data.masking import may_see_personal
from recommendations.messaging.backoffice.access import (
    choose_shown_version,
    load_content,
    load_template,
    parse_language,
)
from recommendations.messaging.editor.preview import render_preview
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from recommendations.messaging.rendering import RenderedMessage

# Nothing runs in the preview; images come from the shop, and styles are part of the message.
PREVIEW_POLICY = (
    "sandbox; default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
DARK_CONDITION = "@media (prefers-color-scheme:dark)"
MAX_SEARCH = 200
PERSONAL = frozenset({"name", "email", "phone", "birthday", "traits"})


@require_safe
@xframe_options_sameorigin
def show_preview(request: HttpRequest, template_id: int) -> HttpResponse:
    """Return the message as a document, or the errors of its source."""
    template = load_template(request, template_id)
    version = choose_version(request, template)
    response = draw_preview(request, template, version)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["Cache-Control"] = "no-store"
    return response


def choose_version(request: HttpRequest, template: MessageTemplate) -> TemplateVersion | None:
    number = request.GET.get("version", "")
    if number.isascii() and number.isdigit() and len(number) < 9:
        return template.versions.filter(number=int(number)).first()
    return choose_shown_version(template)


def draw_preview(request: HttpRequest, template: MessageTemplate, version: TemplateVersion | None) -> HttpResponse:
    try:
        message = render_message(request, template, version)
    except SourceError as error:
        return render(request, "admin/messaging/preview_problems.html", {"problems": error.problems})
    if not message.html:
        return render(request, "admin/messaging/preview_text.html", {"message": message})
    html = message.html
    if "dark" in request.GET:
        html = html.replace(DARK_CONDITION, "@media all").replace('content="light dark"', 'content="dark"')
    return HttpResponse(html)


def render_message(
    request: HttpRequest, template: MessageTemplate, version: TemplateVersion | None, *, base_url: str = ""
) -> RenderedMessage:
    """Render for the customer of the request, in their language unless the request names one; the read is recorded.

    Errors: SourceError.
    """
    customer = find_customer(request)
    language = parse_language(request, version, preferred=customer.language if customer is not None else "")
    content = load_content(version, language)
    with_personal = may_see_personal(request)
    if customer is not None:
        record_access(model=Customer, pks=[customer.pk], details={"personal": with_personal})
    return render_preview(
        template=template,
        content=content,
        customer=customer,
        now=timezone.now(),
        base_url=base_url or request.build_absolute_uri("/").rstrip("/"),
        with_personal=with_personal,
    )


def find_customer(request: HttpRequest) -> Customer | None:
    """Return the customer to preview as, if the user may view customers."""
    number = request.POST.get("customer") or request.GET.get("customer", "")
    if not (
        number.isascii() and number.isdigit() and len(number) < 19 and request.user.has_perm("identity.view_customer")
    ):
        return None
    return Customer.objects.filter(pk=int(number), erased_at__isnull=True).only("pk", "language").first()


@require_safe
def show_text(request: HttpRequest, template_id: int) -> HttpResponse:
    """Return subject, preview text and plain-text part for the customer."""
    template = load_template(request, template_id)
    context: dict[str, Any] = {}
    try:
        context["message"] = render_message(request, template, choose_version(request, template))
    except SourceError as error:
        context["problems"] = error.problems
    return render(request, "admin/messaging/text_part.html", context)


@require_safe
def find_customers(request: HttpRequest, template_id: int) -> HttpResponse:
    """Return the customer with exactly this user ID, email address, phone number or customer number as an option."""
    load_template(request, template_id)
    text = request.GET.get("customer_search", "").replace("\0", "").strip()[:MAX_SEARCH]
    customers: list[int] = []
    if text and request.user.has_perm("identity.view_customer"):
        matches = Customer.objects.filter(build_customer_search(text), erased_at__isnull=True)
        customers = list(matches.values_list("pk", flat=True)[:5])
    problem = _("No customer has this ID, email address or phone number.") if text and not customers else ""
    return render(request, "admin/messaging/customer_options.html", {"customers": customers, "problem": problem})
