"""The public URLs of the privacy policy and the preference center."""

from django.urls import path

from customers.policy.preferences.page import show_preferences
from customers.policy.views import show_policy

app_name = "policy"
urlpatterns = [
    path("privacy/policy/", show_policy, name="show"),
    path("privacy/policy/<int:number>/", show_policy, name="version"),
    path("privacy/preferences/<str:token>/", show_preferences, name="preferences"),
]
