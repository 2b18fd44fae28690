"""The list of customers behind a number of the Lifecycle page, for numbers that no condition can select, such as stage changes.

It has fifty customers per page and no personal data except user IDs, for readers who may see them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Aggregate, FloatField, QuerySet
from django.db.models.functions import Extract
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_money
from customers.identity.backoffice.customer_links import make_customers_url
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name, read_names
from customers.lifecycle.backoffice.drilldowns import DrilldownError, parse_drilldown
from customers.lifecycle.backoffice.labels.stage_labels import describe_gaps
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile, Stage, StageTransition
from customers.lifecycle.portrait.gap_summaries import summarize_customer_gaps

PER_PAGE = 50
PAGES = {
    "rfm-cell": "admin:lifecycle_rfm",
    "rfm-group": "admin:lifecycle_rfm",
    "rfm-flow": "admin:lifecycle_rfm",
    "value": "admin:lifecycle_value",
    "probability": "admin:lifecycle_predictions",
    "cluster": "admin:lifecycle_clusters",
    "aipl-flow": "admin:segments_segment_aipl",
}  # the page of each figure; the Stages page has the others
ADD_SEGMENT_PERMISSION, VIEW_SEGMENT_PERMISSION = "segments.add_segment", "segments.view_segment"
LATE_STAGES = (Stage.AT_RISK, Stage.DORMANT, Stage.CHURNED)  # customers enter them by the time since their last order


def render_drilldown_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the customers that the URL selects, or the reason why it selects none.

    If a condition selects these customers, redirect to the customers list, which can sort, filter and export them.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    if request.GET.get("segment"):  # whose members the customers are
        check_permissions(request, VIEW_SEGMENT_PERMISSION)
    back = reverse(PAGES.get(request.GET.get("figure", ""), "admin:lifecycle_stages"))
    context: dict[str, Any] = {"problems": [], "back": back}
    try:
        drilldown = parse_drilldown(request.GET.dict())
    except DrilldownError as error:
        context["problems"] = error.problems
    else:
        if drilldown.condition is not None:
            return HttpResponseRedirect(make_customers_url(drilldown.condition))
        as_of = timezone.now()
        ids = drilldown.customers.order_by("pk").values_list("pk", flat=True)
        pages = Paginator(ids, PER_PAGE).get_page(request.GET.get("page"))
        context |= {
            "drilldown": drilldown,
            "customers": list_customers(list(pages), with_personal=may_see_personal(request), as_of=as_of),
            "typical": describe_typical_customer(drilldown.customers, as_of=as_of),
            "pages": pages,
            "can_save": request.user.has_perm(ADD_SEGMENT_PERMISSION) and bool(pages.paginator.count),
            "back": f"{back}?{urlencode(drilldown.period)}" if drilldown.period else back,
        }
    common = {**model_admin.admin_site.each_context(request), "title": _("Customers"), "opts": model_admin.opts}
    return TemplateResponse(request, "admin/lifecycle/drilldown.html", {**common, **context})


class Median(Aggregate):
    """The median of numbers."""

    function = "percentile_cont"
    name = "Median"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def describe_typical_customer(customers: QuerySet[CustomerProfile], *, as_of: datetime) -> str:
    """Return how long ago the median customer ordered and how often they used to; "" where too few customers ordered twice."""
    last_orders = customers.filter(stage__in=LATE_STAGES, average_gap_days__isnull=False)
    medians = last_orders.aggregate(gap=Median("average_gap_days"), last=Median(Extract("last_order_at", "epoch")))
    if medians["gap"] is None or medians["last"] is None:
        return ""
    days = int((as_of.timestamp() - medians["last"]) // 86_400)
    gap = max(round(medians["gap"]), 1)
    since = ngettext("%(days)s day", "%(days)s days", days) % {"days": format_count(days)}
    usual = ngettext("%(days)s day", "%(days)s days", gap) % {"days": format_count(gap)}
    return _(
        "Why: the typical customer here last ordered %(since)s ago, and the average time between their orders is %(usual)s."
    ) % {
        "since": since,
        "usual": usual,
    }


def list_reasons(ids: Sequence[int], stages: dict[int, str], *, as_of: datetime) -> dict[int, str]:
    """Return why each customer is in the stage: the time since the last order compared with the usual one, or the last change."""
    late = [pk for pk in ids if stages[pk] in LATE_STAGES]
    reasons = {
        change.customer_id: capfirst(str(change.get_reason_display()))
        for change in StageTransition.objects.filter(customer_id__in=ids)
        .order_by("customer_id", "-at", "-id")
        .distinct("customer_id")
    }
    gaps = summarize_customer_gaps(customer_ids=late, as_of=as_of)
    return reasons | {pk: describe_gaps(summary) for pk, summary in gaps.items()}


def list_customers(ids: Sequence[int], *, with_personal: bool, as_of: datetime) -> list[dict[str, Any]]:
    """Return the rows of the table, in the order of the IDs."""
    names = read_names(ids) if with_personal else {}
    profiles = list(
        CustomerProfile.objects.filter(pk__in=ids)
        .select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*PERSONAL_LOOKUPS)
        .order_by("pk")
    )
    reasons = list_reasons(ids, {profile.pk: profile.stage for profile in profiles}, as_of=as_of)
    currency = get_amount_currency()
    rows = []
    for profile in profiles:
        user_id = get_customer_name(profile.customer, profile.customer.identifiers.all(), with_personal=with_personal)
        name = names.get(profile.pk, "")
        rows.append(
            {
                "name": name or user_id,
                "detail": user_id if name else "",
                "url": reverse("admin:lifecycle_customer", args=[profile.pk]),
                "stage": capfirst(profile.get_stage_display()),
                "why": reasons.get(profile.pk, ""),
                "since": date_format(timezone.localtime(profile.stage_since), "DATE_FORMAT")
                if profile.stage_since
                else "–",
                "rfm": capfirst(profile.get_rfm_group_display()) or "–",
                "orders": profile.orders,
                "revenue": format_money(profile.revenue, currency),
                "last_order_at": profile.last_order_at,
            }
        )
    return rows
