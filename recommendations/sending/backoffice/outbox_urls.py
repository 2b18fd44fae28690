from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice import outbox_pages

app_name = "outbox"

own = admin.site.admin_view
urlpatterns = [
    path("", own(outbox_pages.show_outbox), name="list"),
    path("<int:message_id>/", own(outbox_pages.show_outbox_message), name="message"),
    path("<int:message_id>/html", own(outbox_pages.show_outbox_html), name="html"),
]
