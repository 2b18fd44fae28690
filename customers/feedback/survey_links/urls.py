"""The public page of survey links."""

from django.urls import path

from customers.feedback.survey_links.views import show_survey

app_name = "surveys"
urlpatterns = [path("survey/<str:token>/", show_survey, name="answer")]
