"""REST routes of the loyalty program, under ``/api/v1/``."""

from django.urls import path

from customers.loyalty.rest import api

BASE = "customers/<path:user_id>/loyalty/"
urlpatterns = [
    path(BASE, api.CustomerLoyaltyView.as_view(), name="customer-loyalty"),
    path(f"{BASE}statement/", api.PointStatementView.as_view(), name="customer-loyalty-statement"),
    path(f"{BASE}sign-in/", api.SignInView.as_view(), name="customer-loyalty-sign-in"),
    path(f"{BASE}reservations/", api.ReservationListView.as_view(), name="customer-loyalty-reservations"),
    path(
        f"{BASE}reservations/<int:reservation_id>/confirm/",
        api.ReservationConfirmView.as_view(),
        name="customer-loyalty-confirm",
    ),
    path(
        f"{BASE}reservations/<int:reservation_id>/cancel/",
        api.ReservationCancelView.as_view(),
        name="customer-loyalty-cancel",
    ),
]
