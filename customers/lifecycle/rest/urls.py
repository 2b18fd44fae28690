"""URLs under /api/v1/."""

from django.urls import path

from customers.lifecycle.rest import api

urlpatterns = [
    path("customers/<path:user_id>/profile/", api.CustomerProfileView.as_view(), name="customer-profile"),
    path("customers/<path:user_id>/stages/", api.StageHistoryView.as_view(), name="customer-stages"),
    path("lifecycle/", api.LifecycleSummaryView.as_view(), name="lifecycle-summary"),
]
