from django.urls import path

from recommendations.serving.api import RankView, RecommendationsView

urlpatterns = [
    path("recommendations/<slug:scenario>/", RecommendationsView.as_view(), name="recommendations"),
    path("rank/", RankView.as_view(), name="rank"),
]
