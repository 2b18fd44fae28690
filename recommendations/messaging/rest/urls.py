"""REST routes of message templates, under ``/api/v1/``."""

from django.urls import path

from recommendations.messaging.rest import api

urlpatterns = [
    path("message-templates/", api.MessageTemplateList.as_view(), name="message-templates"),
    path("message-templates/<slug:key>/", api.MessageTemplateDetail.as_view(), name="message-template"),
    path(
        "message-templates/<slug:key>/publish/", api.MessageTemplatePublish.as_view(), name="message-template-publish"
    ),
]
