from django.urls import path

from customers.subscriptions.views import show_confirmation

app_name = "subscriptions"
urlpatterns = [path("newsletter/confirm/<str:token>/", show_confirmation, name="confirm")]
