from django.urls import path

from recommendations.serving.api import RecommendationsView

urlpatterns = [path("recommendations/<slug:scenario>/", RecommendationsView.as_view(), name="recommendations")]
