"""REST routes of reviews and survey answers, under ``/api/v1/``."""

from django.urls import path

from customers.feedback.rest import api

urlpatterns = [
    path("reviews/", api.ReviewList.as_view(), name="reviews"),
    path("reviews/<path:review_id>/moderation/", api.ReviewModeration.as_view(), name="review-moderation"),
    path("feedback/summary/", api.FeedbackSummary.as_view(), name="feedback-summary"),
    path("feedback/worst-products/", api.WorstProducts.as_view(), name="feedback-worst-products"),
    path("survey-links/", api.SurveyLinks.as_view(), name="survey-links"),
    path("surveys/", api.SurveyAnswers.as_view(), name="surveys"),
]
