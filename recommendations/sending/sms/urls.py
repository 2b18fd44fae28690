"""The public address of reports and replies."""

from django.urls import path

from recommendations.sending.sms.views import receive_push

app_name = "sms_pushes"
urlpatterns = [path("sms/<str:provider>/<str:token>", receive_push, name="receive")]
