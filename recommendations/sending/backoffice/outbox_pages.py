"""The outbox in the back office: messages that were stored instead of sent, as the customer would see them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from csp.decorators import csp_replace
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from config.foundation.audit_log import record_access
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from customers.identity.models import Customer
from customers.identity.personal_data.masking import MASK, may_see_personal
from recommendations.messaging.rendering import Recipient
from recommendations.sending.channels.registry import get_channel_label
from recommendations.sending.models import Delivery, OutboxMessage
from recommendations.sending.tracking.browser_view import render_in_browser
from recommendations.sending.tracking.views import EMAIL_POLICY

PERMISSION = "sending.view_outboxmessage"
FRAME_POLICY = {
    **EMAIL_POLICY,
    "frame-ancestors": ["'self'"],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}
protect: Any = csp_replace(FRAME_POLICY)  # typed for views without arguments from the URL
COLUMNS = (
    Column(key="subject", label=gettext_lazy("Message"), align="text"),
    Column(key="recipient", label=gettext_lazy("Recipient"), align="text"),
    Column(key="channel", label=gettext_lazy("channel"), align="text"),
    Column(key="created_at", label=gettext_lazy("Time"), sort="pk", align="text"),
)


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def show_outbox(request: HttpRequest) -> HttpResponse:
    """List the messages of the outbox, latest first."""
    with_personal = may_see_personal(request)
    shown: list[int] = []

    def format_row(message: OutboxMessage) -> Mapping[str, Any]:
        if with_personal and message.customer_id:
            shown.append(message.customer_id)
        return {
            "subject": Cell(
                (message.subject if with_personal else MASK) or _("Message without a subject"),
                reverse("outbox:message", args=[message.pk]),
            ),
            "recipient": message.recipient if with_personal else MASK,
            "channel": get_channel_label(message.channel),
            "created_at": message.created_at,
        }

    table = build_table(
        request,
        OutboxMessage.objects.defer("html", "text", "headers"),
        id="outbox",
        label=_("Outbox"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="-created_at",
    )
    if shown:
        record_access(model=Customer, pks=shown)
    return render_page(request, "admin/sending/outbox.html", title=_("Outbox"), table=table)


@require_safe
@permission_required(PERMISSION, raise_exception=True)
def show_outbox_message(request: HttpRequest, message_id: int) -> HttpResponse:
    """Show one message: headers, the HTML part in a frame without scripts, and the text part."""
    message = get_object_or_404(OutboxMessage, pk=message_id)
    with_personal = may_see_personal(request)
    if with_personal and message.customer_id:
        record_access(model=Customer, pks=[message.customer_id])
    return render_page(
        request,
        "admin/sending/outbox_message.html",
        title=(message.subject if with_personal else "") or _("Message without a subject"),
        message=message,
        recipient=message.recipient if with_personal else MASK,
        text=message.text if with_personal else "",
        headers=sorted(message.headers.items()) if with_personal else [],
        channel=get_channel_label(message.channel),
        is_masked=not with_personal,
        customer_url=reverse("admin:lifecycle_customer", args=[message.customer_id]) if message.customer_id else "",
    )


@require_safe
@permission_required(PERMISSION, raise_exception=True)
@xframe_options_sameorigin
@protect
def show_outbox_html(request: HttpRequest, message_id: int) -> HttpResponse:
    """Return the HTML part for the frame; users without the permission for personal data see it without the recipient's name and address."""
    message = get_object_or_404(OutboxMessage, pk=message_id)
    if may_see_personal(request):
        return HttpResponse(message.html or f"<pre>{escape(message.text)}</pre>")
    delivery = Delivery.objects.filter(pk=message.delivery_id or 0).first()
    if delivery is None:
        raise Http404
    return HttpResponse(render_in_browser(delivery, now=timezone.now(), change_recipient=mask_recipient))


def mask_recipient(recipient: Recipient) -> Recipient:
    """Return a recipient without anything personal."""
    return replace(recipient, name=MASK, email=MASK, phone=MASK, user_id=MASK, traits={}, fields={}, event={})
