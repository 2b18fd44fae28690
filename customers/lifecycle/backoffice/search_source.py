"""Customers in the search of the back office: by a complete user ID, e-mail address, phone number or customer number."""

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name
from customers.lifecycle.models import CustomerProfile

MAX_ID = 2**63


def find_customers(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return the customers with this identifier or number; names follow the masking policy, and the audit log records personal ones."""
    kinds = Identifier.Kind
    matches = Q(kind__in=[kinds.USER_ID, kinds.ANONYMOUS_ID, kinds.DEVICE_ID], value=text)
    matches |= Q(kind=kinds.EMAIL_HASH, value=hash_email(text)) | Q(kind=kinds.PHONE_HASH, value=hash_phone(text))
    condition = Q(customer_id__in=Identifier.objects.filter(matches).values("customer_id"))
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and int(number) < MAX_ID:
        condition |= Q(customer_id=int(number))
    profiles = (
        CustomerProfile.objects.filter(condition)
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
