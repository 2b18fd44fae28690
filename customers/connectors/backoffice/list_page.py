"""The connected shops, and the platforms that can be connected."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.job_runs import JobStatus
from config.foundation.number_formats import format_moment
from customers.connectors.backoffice.access import CHANGE, require_view
from customers.connectors.models import ShopConnection, SyncRun
from customers.connectors.platforms.registry import CONNECTORS

COLUMNS = (
    Column(key="name", label=gettext_lazy("Shop"), sort="name", align="text"),
    Column(key="platform", label=gettext_lazy("Platform"), sort="platform", align="text"),
    Column(key="state", label=gettext_lazy("State"), align="text"),
    Column(key="webhook", label=gettext_lazy("Last webhook"), sort="last_delivery_at"),
)


@staff_member_required
def show_connectors(request: HttpRequest) -> HttpResponse:
    """Show the connected shops and the platforms."""
    require_view(request)
    running = SyncRun.objects.filter(status=JobStatus.RUNNING)
    shops = ShopConnection.objects.prefetch_related(Prefetch("runs", running, to_attr="running"))
    table = build_table(
        request,
        shops,
        id="shops",
        label=_("Connected shops"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="name",
    )
    return render_page(
        request,
        "admin/connectors/list.html",
        title=_("Connectors"),
        table=table,
        platforms=list(CONNECTORS.values()),
        can_change=request.user.has_perm(CHANGE),
        can_see_feeds=request.user.has_perm("imports.view_importrun"),
    )


def format_row(shop: ShopConnection) -> dict[str, Any]:
    platform = CONNECTORS.get(shop.platform)
    return {
        "name": Cell(shop.name, reverse("connectors:shop", args=[shop.pk]), title=shop.address),
        "platform": platform.label if platform else shop.platform,
        "state": Cell(describe_state(shop), title=shop.problem),
        "webhook": format_moment(shop.last_delivery_at) if shop.last_delivery_at else "–",
    }


def describe_state(shop: ShopConnection) -> str:
    """Return the state of a shop in a few words; it must have ``running``."""
    if shop.problem:
        return _("needs attention")
    if not shop.is_enabled:
        return _("disabled")
    if getattr(shop, "running", None):
        return _("importing")
    return _("up to date") if shop.watermarks else _("not imported yet")
