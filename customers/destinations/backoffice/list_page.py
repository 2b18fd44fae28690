"""The destinations, and the kinds that can be added."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment
from customers.destinations.backoffice.access import CHANGE, require_view
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.models import Destination, OutgoingRecord

COLUMNS = (
    Column(key="name", label=gettext_lazy("Destination"), sort="name", align="text"),
    Column(key="kind", label=gettext_lazy("Type"), sort="kind", align="text"),
    Column(key="state", label=gettext_lazy("State"), align="text"),
    Column(key="waiting", label=gettext_lazy("Waiting")),
    Column(key="dead", label=gettext_lazy("Not delivered")),
    Column(key="last", label=gettext_lazy("Last delivery"), sort="last_sent_at"),
)


@staff_member_required
def show_destinations(request: HttpRequest) -> HttpResponse:
    """Show the destinations and the kinds."""
    require_view(request)
    table = build_table(
        request,
        count_records(),
        id="destinations",
        label=_("Destinations"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="name",
    )
    return render_page(
        request,
        "admin/destinations/list.html",
        title=_("Destinations"),
        table=table,
        kinds=list(DESTINATION_KINDS.values()),
        can_change=request.user.has_perm(CHANGE),
    )


def count_records() -> QuerySet[Destination]:
    """Count the waiting records and those that were given up, each with an index that covers only those."""
    records = OutgoingRecord.objects.filter(destination=OuterRef("pk")).order_by().values("destination")
    return Destination.objects.annotate(
        **{
            name: Coalesce(Subquery(records.filter(status=name).annotate(number=Count("pk")).values("number")), 0)
            for name in ("waiting", "dead")
        }
    )


def format_row(destination: Any) -> dict[str, Any]:
    kind = DESTINATION_KINDS.get(destination.kind)
    return {
        "name": Cell(destination.name, reverse("destinations:page", args=[destination.pk])),
        "kind": kind.label if kind else destination.kind,
        "state": Cell(describe_state(destination), title=destination.problem),
        "waiting": format_count(destination.waiting),
        "dead": format_count(destination.dead),
        "last": format_moment(destination.last_sent_at) if destination.last_sent_at else "–",
    }


def describe_state(destination: Destination) -> str:
    """Return the state of a destination in a few words."""
    if not destination.is_enabled:
        return _("disabled")
    if destination.problem:
        return _("needs attention")
    return _("retrying after an error") if destination.retry_at else _("in use")
