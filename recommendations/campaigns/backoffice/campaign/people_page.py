"""The customers behind a number of a campaign, who can be saved as a segment."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment
from config.foundation.slow_figures import get_figures
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.lifecycle.models import CustomerProfile
from customers.segments.editing import NameTakenError
from customers.segments.membership import annotate_list_columns
from customers.segments.saved_customers import save_customers
from recommendations.campaigns.backoffice.access import ADD_SEGMENT, VIEW, get_campaign
from recommendations.campaigns.backoffice.campaign.people_groups import GROUPS, query_people
from recommendations.campaigns.backoffice.labels import describe_count

PROFILE_PERMISSION = "lifecycle.view_customerprofile"
COLUMNS = (
    Column(key="customer", label=gettext_lazy("Customer"), align="text"),
    Column(key="stage", label=gettext_lazy("Stage"), align="text"),
    Column(key="orders", label=gettext_lazy("Orders")),
    Column(key="last_order", label=gettext_lazy("Last order"), align="text"),
)


def show_people(request: HttpRequest, campaign_id: int, group: str) -> HttpResponse:
    """Show the customers of a group; on POST, save them as a static segment."""
    check_permissions(request, VIEW, PROFILE_PERMISSION)
    campaign = get_campaign(campaign_id)
    if group not in GROUPS:
        raise Http404(f"Unknown group {group!r}.")
    chosen = GROUPS[group]
    people = query_people(campaign, chosen)
    title = f"{campaign.name} · {chosen.label}"
    error = ""
    if request.method == "POST":
        check_permissions(request, ADD_SEGMENT)
        name = request.POST.get("name", "").strip()[:200] or title[:200]
        try:
            segment = save_customers(
                name=name,
                description=_("Customers of the campaign %(name)s: %(group)s.")
                % {"name": campaign.name, "group": chosen.label},
                customers=CustomerProfile.objects.filter(customer__in=people),
                condition=None,
                as_of=timezone.now(),
            )
        except NameTakenError as problem:
            error = str(problem)
        else:
            messages.success(request, _("Segment saved."))
            return HttpResponseRedirect(reverse("admin:segments_segment_overview", args=[segment.pk]))
    with_personal = may_see_personal(request)
    number = get_figures(f"campaign.people:{campaign.pk}:{group}:{campaign.status}", int, people.count)
    table = build_table(
        request,
        annotate_list_columns(people).order_by("pk"),
        id="people",
        label=chosen.label,
        columns=COLUMNS,
        format_row=lambda customer: format_customer(customer, with_personal=with_personal),
        total=number,
    )
    return render_page(
        request,
        "admin/campaigns/people.html",
        title=title,
        verdict=describe_count(number),
        as_of=timezone.now(),
        campaign=campaign,
        number=number,
        suggested_name=request.POST.get("name") or title[:200],
        error=error,
        can_save=bool(number) and request.user.has_perm(ADD_SEGMENT),
        table=table,
    )


def format_customer(customer: Any, *, with_personal: bool) -> dict[str, Any]:
    profile = get_profile(customer)
    return {
        "customer": Cell(
            mask_id(customer.user_id or "", with_personal=with_personal, mask="") or f"#{customer.pk}",
            url=reverse("admin:lifecycle_customer", args=[customer.pk]),
        ),
        "stage": profile.get_stage_display() if profile else None,
        "orders": format_count(profile.orders) if profile else None,
        "last_order": format_moment(profile.last_order_at) if profile else None,
    }


def get_profile(customer: Customer) -> CustomerProfile | None:
    try:
        return customer.profile
    except CustomerProfile.DoesNotExist:
        return None
