"""Saves the traits that a user has edited on the Profile tab of a customer; with problems, shows the form again."""

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.audit_log import record_access
from config.foundation.backoffice.pages import render_page
from customers.identity.backoffice.trait_forms import make_trait_forms
from customers.identity.customer_upsert import change_traits
from customers.identity.models import Customer
from customers.identity.personal_data.masking import may_see_personal

CUSTOMER_PAGE = "admin:lifecycle_customer"  # of an app that this one does not import


def show_traits_page(request: HttpRequest, *, model_admin: ModelAdmin, customer_id: int) -> HttpResponse:
    """Show the traits as fields; on POST, write those that the user has changed."""
    customer = get_object_or_404(Customer.objects.filter(erased_at=None), pk=customer_id)
    if not model_admin.has_change_permission(request, customer):
        raise PermissionDenied
    with_personal = may_see_personal(request)
    is_sent = request.method == "POST"
    trait_forms = make_trait_forms(customer, with_personal=with_personal, data=request.POST if is_sent else None)
    back = f"{reverse(CUSTOMER_PAGE, args=[customer_id])}?tab=profile"
    if is_sent and trait_forms.is_valid():
        changes = trait_forms.collect_changes()
        changed = change_traits(customer_id=customer_id, changes=changes, at=timezone.now())
        if not changed:
            messages.info(request, _("Nothing has changed."))
        else:
            text = ngettext("%(count)d trait was saved.", "%(count)d traits were saved.", len(changes))
            messages.success(request, text % {"count": len(changes)})
        return HttpResponseRedirect(back)
    if with_personal:
        record_access(model=Customer, pks=[customer_id])
    return render_page(
        request,
        "admin/identity/traits.html",
        title=_("Edit traits"),
        customer=customer,
        trait_forms=trait_forms,
        back=back,
    )
