from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice import channel_pages

app_name = "channels"

own = admin.site.admin_view
urlpatterns = [
    path("", own(channel_pages.show_channels), name="list"),
    path("<slug:channel_key>/test/", own(channel_pages.send_test), name="test"),
    path("<slug:channel_key>/remove/", own(channel_pages.delete_account), name="remove"),
    path("<slug:channel_key>/account/<slug:provider_key>/", own(channel_pages.edit_account), name="account"),
]
