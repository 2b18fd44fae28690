"""Public pages and webhooks of privacy requests."""

from django.urls import path

from customers.privacy.self_service import views
from customers.privacy.shopify.views import receive_webhook

app_name = "privacy"
urlpatterns = [
    path("privacy/", views.show_start, name="start"),
    path("privacy/data/<str:token>/", views.show_data, name="data"),
    path("privacy/download/<str:token>/", views.show_download, name="download"),
    path("privacy/confirm/<str:token>/", views.show_confirm, name="confirm"),
    path("privacy/undo/<str:token>/", views.show_undo, name="undo"),
    path("webhooks/shopify/privacy/", receive_webhook, name="shopify"),
]
