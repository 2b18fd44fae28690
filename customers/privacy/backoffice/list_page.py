"""The list of privacy requests: the open ones first, those that are due soonest on top."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_moment, join_label
from customers.privacy.backoffice.permissions import CHANGE, VIEW
from customers.privacy.backoffice.request_labels import describe_due
from customers.privacy.models import PrivacyRequest

COLUMNS = (
    Column(key="number", label=gettext_lazy("request"), align="text"),
    Column(key="customer", label=gettext_lazy("customer"), align="text"),
    Column(key="state", label=gettext_lazy("state"), sort="state", align="text"),
    Column(key="due", label=gettext_lazy("answer by"), sort="due_at", align="text"),
    Column(key="left", label=gettext_lazy("time left"), align="text"),
    Column(key="received", label=gettext_lazy("received at"), sort="received_at", align="text"),
    Column(key="channel", label=gettext_lazy("channel"), align="text"),
    Column(key="regulation", label=gettext_lazy("regulation"), align="text"),
)


def show_requests(request: HttpRequest) -> HttpResponse:
    check_permissions(request, VIEW)
    now = timezone.now()
    shows_all = request.GET.get("show") == "all"
    requests = PrivacyRequest.objects.all() if shows_all else PrivacyRequest.objects.open()
    table = build_table(
        request,
        requests.defer("email", "note", "proposal"),
        id="requests",
        label=_("Privacy requests"),
        columns=COLUMNS,
        format_row=lambda row: format_row(row, now=now),
        default_sort="-received" if shows_all else "due",
    )
    return render_page(
        request,
        "admin/privacy/requests.html",
        title=_("Privacy requests"),
        verdict=describe_requests(now=now),
        table=table,
        shows_all=shows_all,
        may_change=request.user.has_perm(CHANGE),
        public_url=reverse("privacy:start"),
    )


def describe_requests(*, now: datetime) -> str:
    """Return how many requests are open and overdue, in a sentence."""
    overdue = PrivacyRequest.objects.overdue(now).count()
    count = PrivacyRequest.objects.open().count()
    if overdue:
        return ngettext(
            "%(count)d request is overdue. Answer it today.",
            "%(count)d requests are overdue. Answer them today.",
            overdue,
        ) % {"count": overdue}
    if not count:
        return _("No open requests.")
    return ngettext("%(count)d open request, not overdue.", "%(count)d open requests, none overdue.", count) % {
        "count": count
    }


def format_row(request: PrivacyRequest, *, now: datetime) -> Mapping[str, Any]:
    url = reverse("privacy_requests:request", args=[request.pk])
    customer_url = reverse("admin:lifecycle_customer", args=[request.customer_id]) if request.customer_id else ""
    return {
        "number": Cell(join_label(request.number, request.get_kind_display()), url),
        "customer": Cell(f"#{request.customer_id}", customer_url) if request.customer_id else None,
        "state": request.get_state_display(),
        "due": format_moment(request.due_at) if request.is_open else None,
        "left": describe_due(request, now=now) or None,
        "received": format_moment(request.received_at),
        "channel": request.get_channel_display(),
        "regulation": request.get_regulation_display(),
    }
