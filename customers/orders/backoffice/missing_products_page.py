"""The page of products that are in events but not in the catalog, with the action that creates drafts."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.permissions import check_permissions
from customers.orders.missing_products import DEFAULT_DAYS, DEFAULT_LIMIT, create_drafts, list_missing_products

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

PERIODS = (DEFAULT_DAYS, 30, 90)
PAGE = "admin:orders_missing_products"


def show_missing_products(request: HttpRequest, *, model_admin: "ModelAdmin") -> HttpResponse:
    """Show the missing products of a period; create drafts of the selected ones."""
    check_permissions(request, "catalog.view_product")
    days = read_days(request.GET.get("days", ""))
    if request.method == "POST":
        return create_selected_drafts(request, days=days)
    missing = list_missing_products(days=days, as_of=timezone.now())
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Missing products"),
        "days": days,
        "periods": PERIODS,
        "products": missing.products,
        "as_of": missing.as_of,
        "limit": DEFAULT_LIMIT,
        "may_create": request.user.has_perm("catalog.add_product"),
    }
    return TemplateResponse(request, "admin/orders/missing_products.html", context)


def read_days(text: str) -> int:
    return int(text) if text in map(str, PERIODS) else DEFAULT_DAYS


def create_selected_drafts(request: HttpRequest, *, days: int) -> HttpResponse:
    check_permissions(request, "catalog.add_product")
    selected = set(request.POST.getlist("product_id")[:DEFAULT_LIMIT])
    created = create_drafts(product_ids=selected, at=timezone.now(), days=days)
    text = ngettext("%(count)d draft was created.", "%(count)d drafts were created.", created)
    messages.success(request, text % {"count": created})
    response = redirect(PAGE)
    response["Location"] += f"?days={days}"
    return response
