from django.urls import path

from recommendations.serving.api import RankView, RecommendationsView
from recommendations.serving.impressions.api import PerformanceView
from recommendations.serving.search.api import SearchView

urlpatterns = [
    path("recommendations/performance/", PerformanceView.as_view(), name="recommendations-performance"),
    path("recommendations/<slug:scenario>/", RecommendationsView.as_view(), name="recommendations"),
    path("rank/", RankView.as_view(), name="rank"),
    path("search/", SearchView.as_view(), name="search"),
]
