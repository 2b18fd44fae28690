"""What programs have decided about one customer: what, when, why, by which version, and how to object."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_access
from config.foundation.automated_decisions.registry import explain_decisions
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from customers.identity.consent.restrictions import has_agreed_since_objecting, read_active_restrictions
from customers.identity.models import Customer
from customers.privacy.backoffice.permissions import CHANGE, VIEW

SHOWN = 20


def show_decisions(request: HttpRequest, customer_id: int) -> HttpResponse:
    check_permissions(request, VIEW)
    customer = get_object_or_404(Customer.objects.filter(erased_at=None), pk=customer_id)
    now = timezone.now()
    restrictions = {restriction.scope for restriction in read_active_restrictions(customer=customer)}
    record_access(model=Customer, pks=[customer.pk], details={"page": "decisions"})
    return render_page(
        request,
        "admin/privacy/decisions.html",
        title=_("Automated decisions about customer #%(number)d") % {"number": customer.pk},
        verdict=_("The customer sees the same on the page of their data and in the file."),
        as_of=now,
        customer=customer,
        decisions=explain_decisions(customer_id=customer.pk, as_of=now, limit=SHOWN),
        restrictions=restrictions,
        has_agreed_again=has_agreed_since_objecting(customer=customer, restrictions=restrictions),
        may_change=request.user.has_perm(CHANGE),
    )
