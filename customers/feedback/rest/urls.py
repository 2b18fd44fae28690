"""REST routes of reviews and survey answers, under ``/api/v1/``."""

from django.urls import path

from customers.feedback.rest import api

urlpatterns = [
    path("reviews/", api.ReviewList.as_view(), name="reviews"),
    path("surveys/", api.SurveyAnswers.as_view(), name="surveys"),
]
