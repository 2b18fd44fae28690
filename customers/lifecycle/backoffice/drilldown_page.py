"""The people behind a figure of the Lifecycle page, fifty at a time and without what is personal."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from customers.identity.models import Identifier
from customers.lifecycle.backoffice.drilldowns import SelectionError, read_selection
from customers.lifecycle.models import CustomerProfile

PER_PAGE = 50
MAY_SAVE = "segments.add_segment"


def people_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    back = reverse("admin:lifecycle_overview")
    context: dict[str, Any] = {"problems": [], "back": back}
    try:
        selection = read_selection(request.GET.dict())
    except SelectionError as error:
        context["problems"] = error.problems
    else:
        ids = selection.people.order_by("pk").values_list("pk", flat=True)
        pages = Paginator(ids, PER_PAGE).get_page(request.GET.get("page"))
        context |= {
            "selection": selection,
            "people": shown_people(list(pages)),
            "pages": pages,
            "may_save": request.user.has_perm(MAY_SAVE) and (pages.paginator.count or selection.condition),
            "back": f"{back}?{urlencode(selection.days)}" if selection.days else back,
        }
    common = {**model_admin.admin_site.each_context(request), "title": _("Who they are"), "opts": model_admin.opts}
    return TemplateResponse(request, "admin/lifecycle/people.html", {**common, **context})


def shown_people(ids: Sequence[int]) -> list[dict[str, Any]]:
    """In the order of the ids; without what is personal."""
    personal = [f"customer__{name}" for name in ("name", "email", "phone", "birthday")]
    profiles = (
        CustomerProfile.objects.filter(pk__in=ids)
        .select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*personal)
        .order_by("pk")
    )
    return [
        {
            "name": next(
                (one.value for one in profile.customer.identifiers.all() if one.kind == Identifier.Kind.USER_ID),
                f"#{profile.pk}",
            ),
            "url": reverse("admin:lifecycle_customer", args=[profile.pk]),
            "stage": str(profile.get_stage_display()),
            "since": date_format(profile.stage_since, "DATE_FORMAT") if profile.stage_since else "–",
            "rfm": str(profile.get_rfm_group_display()) or "–",
            "orders": profile.orders,
            "revenue": profile.revenue,
            "last_order_at": profile.last_order_at,
        }
        for profile in profiles
    ]
