"""The public address of webhooks."""

from django.urls import path

from customers.connectors.webhooks.views import receive_webhook

app_name = "connector_webhooks"
urlpatterns = [path("webhooks/shops/<str:token>/", receive_webhook, name="receive")]
