"""Customers in the search of the back office: by a complete user ID, email address, phone number or customer number."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from customers.identity.customer_search import build_customer_search
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name
from customers.lifecycle.models import CustomerProfile


def find_customers(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return the customers with this identifier or number; names follow the masking policy, and the audit log records personal ones."""
    profiles = (
        CustomerProfile.objects.filter(build_customer_search(text))
        .select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*PERSONAL_LOOKUPS)
        .order_by("customer_id")[:limit]
    )
    with_personal = may_see_personal(request)
    return [
        SearchMatch(
            title=get_customer_name(profile.customer, profile.customer.identifiers.all(), with_personal=with_personal),
            url=reverse("admin:lifecycle_customer", args=[profile.customer_id]),
            detail=profile.get_stage_display(),
        )
        for profile in profiles
    ]


register_search_source(
    SearchSource(
        key="customers",
        label=_("Customers"),
        permission="lifecycle.view_customerprofile",
        order=10,
        find=find_customers,
    )
)
