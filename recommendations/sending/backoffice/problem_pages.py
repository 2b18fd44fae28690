"""Messages that could not be sent, and those whose result is unknown: with the error, and a button that sends one again."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from customers.identity.personal_data.masking import mask_text, may_see_personal
from recommendations.sending.channels.registry import get_channel_label
from recommendations.sending.models import Delivery
from recommendations.sending.queue import query_cancellation, send_again

VIEW, CHANGE = "sending.view_delivery", "sending.change_delivery"
PROBLEMS = (Delivery.Status.FAILED, Delivery.Status.UNCERTAIN)
COLUMNS = (
    Column(key="id", label=gettext_lazy("Message"), align="text"),
    Column(key="channel", label=gettext_lazy("channel"), align="text"),
    Column(key="status", label=gettext_lazy("Status"), align="text"),
    Column(key="error", label=gettext_lazy("Error"), align="text"),
    Column(key="attempts", label=gettext_lazy("Attempts")),
)


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_problems(request: HttpRequest) -> HttpResponse:
    """List failed and uncertain deliveries, latest first."""

    def format_row(delivery: Delivery) -> Mapping[str, Any]:
        return {
            "id": Cell(f"#{delivery.pk}", reverse("outbox:problem", args=[delivery.pk])),
            "channel": get_channel_label(delivery.channel),
            "status": delivery.get_status_display(),
            "error": mask_text(delivery.error, with_personal=may_see_personal(request)),
            "attempts": delivery.attempts,
        }

    table = build_table(
        request,
        Delivery.objects.filter(status__in=PROBLEMS).order_by("-pk"),
        id="problems",
        label=_("Not sent"),
        columns=COLUMNS,
        format_row=format_row,
    )
    return render_page(request, "admin/sending/problems.html", title=_("Not sent"), table=table)


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_problem(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Show one delivery with its error."""
    delivery = get_object_or_404(Delivery, pk=delivery_id)
    return render_page(
        request,
        "admin/sending/problem.html",
        title=_("Message #%(number)d") % {"number": delivery.pk},
        delivery=delivery,
        channel=get_channel_label(delivery.channel),
        error=mask_text(delivery.error, with_personal=may_see_personal(request)),
        can_send=request.user.has_perm(CHANGE) and delivery.status in PROBLEMS,
        is_uncertain=delivery.status == Delivery.Status.UNCERTAIN,
    )


@require_POST
@permission_required(CHANGE, raise_exception=True)
def repeat_problem(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Send a failed or uncertain message again."""
    delivery = Delivery.objects.filter(pk=delivery_id).first()
    if send_again(delivery_id, now=timezone.now()):
        record_action("delivery.sent_again", model=Delivery, details={"delivery": delivery_id})
        messages.success(request, _("The message is sent again within a few seconds."))
    elif delivery is not None and query_cancellation(delivery.origin_kind, delivery.origin_id).exists():
        messages.warning(request, _("The message is not sent again, because its campaign or flow was canceled."))
    else:
        messages.warning(request, _("The message is being sent, or was sent already."))
    return HttpResponseRedirect(reverse("outbox:problems"))
