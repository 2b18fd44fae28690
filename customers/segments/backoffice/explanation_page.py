"""The page that explains why a customer is in a segment, or is not; htmx shows it inside the customer page."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_access
from config.foundation.backoffice.pages import render_page
from customers.identity.customer_upsert import PERSONAL_FIELDS
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import get_customer_name
from customers.segments.explanation.membership_explanation import MembershipExplanation, explain_segments
from customers.segments.models import Segment

VIEW_CUSTOMER_PERMISSION = "lifecycle.view_customerprofile"


def show_explanation(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    """Show the parts of a condition with what the customer has. ``?segment=`` is the ID of the segment."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(VIEW_CUSTOMER_PERMISSION)):
        raise PermissionDenied
    customer = get_object_or_404(Customer.objects.defer(*PERSONAL_FIELDS), pk=customer_id)
    number = request.GET.get("segment", "")
    segment = get_object_or_404(Segment, pk=int(number) if number.isdecimal() and len(number) < 19 else 0)
    with_personal = may_see_personal(request)
    record_access(model=Customer, pks=[customer_id], details={"personal": with_personal})
    as_of = timezone.now()
    [explanation] = explain_segments(customer=customer, segments=[segment], as_of=as_of, with_personal=with_personal)
    identifiers = Identifier.objects.filter(customer=customer, kind=Identifier.Kind.USER_ID).order_by("pk")
    name = get_customer_name(customer, identifiers, with_personal=with_personal)
    return render_page(
        request,
        "admin/segments/explanation.html",
        partial="admin/segments/explanation_parts.html",
        title=_("Customer %(name)s and the segment “%(segment)s”") % {"name": name, "segment": segment.name},
        verdict=describe_membership(explanation),
        as_of=as_of,
        explanation=explanation,
        customer_url=reverse("admin:lifecycle_customer", args=[customer_id]),
        customer_id=customer_id,
        segments=Segment.objects.only("id", "name").order_by("name"),
        segment=segment,
    )


def describe_membership(explanation: MembershipExplanation) -> str:
    """Return one sentence: whether the customer is in the segment, or why that is unknown."""
    if explanation.problem:
        return _("The segment cannot be evaluated: %(reason)s") % {"reason": explanation.problem}
    if explanation.is_member:
        return _("The customer is in the segment, because all conditions below are met.")
    return _("The customer is not in the segment, because not all conditions below are met.")
