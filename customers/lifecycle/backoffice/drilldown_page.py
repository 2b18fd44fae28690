"""The list of customers behind a number of the Lifecycle page, for those that no condition can select, such as stage changes.

It has fifty customers per page and no personal data but the user IDs of readers who may see them.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_money
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name
from customers.lifecycle.backoffice.drilldowns import DrilldownError, parse_drilldown
from customers.lifecycle.backoffice.drilldowns.drilldown import make_customers_url
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile

PER_PAGE = 50
PAGES = {
    "rfm-cell": "admin:lifecycle_rfm",
    "rfm-group": "admin:lifecycle_rfm",
    "rfm-flow": "admin:lifecycle_rfm",
    "value": "admin:lifecycle_value",
    "probability": "admin:lifecycle_predictions",
    "cluster": "admin:lifecycle_clusters",
}  # the page of each figure; the Stages page has the others
ADD_SEGMENT_PERMISSION = "segments.add_segment"


def render_drilldown_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the customers that the URL selects, or the reason why it selects none.

    Customers whom a condition selects are shown in the customers list, which sorts, filters and exports them.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    back = reverse(PAGES.get(request.GET.get("figure", ""), "admin:lifecycle_stages"))
    context: dict[str, Any] = {"problems": [], "back": back}
    try:
        drilldown = parse_drilldown(request.GET.dict())
    except DrilldownError as error:
        context["problems"] = error.problems
    else:
        if drilldown.condition is not None:
            return HttpResponseRedirect(make_customers_url(drilldown.condition))
        ids = drilldown.customers.order_by("pk").values_list("pk", flat=True)
        pages = Paginator(ids, PER_PAGE).get_page(request.GET.get("page"))
        context |= {
            "drilldown": drilldown,
            "customers": list_customers(list(pages), with_personal=may_see_personal(request)),
            "pages": pages,
            "can_save": request.user.has_perm(ADD_SEGMENT_PERMISSION) and bool(pages.paginator.count),
            "back": f"{back}?{urlencode(drilldown.period)}" if drilldown.period else back,
        }
    common = {**model_admin.admin_site.each_context(request), "title": _("Customers"), "opts": model_admin.opts}
    return TemplateResponse(request, "admin/lifecycle/drilldown.html", {**common, **context})


def list_customers(ids: Sequence[int], *, with_personal: bool) -> list[dict[str, Any]]:
    """Return the rows of the table, in the order of the IDs."""
    profiles = (
        CustomerProfile.objects.filter(pk__in=ids)
        .select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*PERSONAL_LOOKUPS)
        .order_by("pk")
    )
    currency = get_amount_currency()
    return [
        {
            "name": get_customer_name(
                profile.customer, profile.customer.identifiers.all(), with_personal=with_personal
            ),
            "url": reverse("admin:lifecycle_customer", args=[profile.pk]),
            "stage": str(profile.get_stage_display()),
            "since": date_format(profile.stage_since, "DATE_FORMAT") if profile.stage_since else "–",
            "rfm": str(profile.get_rfm_group_display()) or "–",
            "orders": profile.orders,
            "revenue": format_money(profile.revenue, currency),
            "last_order_at": profile.last_order_at,
        }
        for profile in profiles
    ]
