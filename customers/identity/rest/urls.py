"""URLs of identity under ``/api/v1/``."""

from django.urls import path

from customers.identity.rest.api import ConsentList, CustomerDetail, CustomerList, EffectiveConsentList, MergeCustomers

urlpatterns = [
    path("customers/", CustomerList.as_view(), name="customer-list"),
    path("customers/merge/", MergeCustomers.as_view(), name="customers-merge"),
    path("customers/<path:user_id>/consents/", ConsentList.as_view(), name="customer-consents"),
    path(
        "customers/<path:user_id>/consents/effective/",
        EffectiveConsentList.as_view(),
        name="customer-effective-consents",
    ),
]
# Included after all other URLs below `customers/`, because user IDs may contain slashes.
customer_urlpatterns = [path("customers/<path:user_id>/", CustomerDetail.as_view(), name="customer-detail")]
