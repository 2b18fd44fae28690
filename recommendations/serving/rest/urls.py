from django.urls import path

from recommendations.serving.rest.api import RankView, RecommendationsView
from recommendations.serving.rest.audience_api import AudienceView
from recommendations.serving.rest.batch.api import PlacementBatchView
from recommendations.serving.rest.performance_api import PerformanceView
from recommendations.serving.rest.search.api import SearchView
from recommendations.serving.rest.search.autocomplete_api import AutocompleteView

urlpatterns = [
    path("products/<path:product_id>/audience/", AudienceView.as_view(), name="product-audience"),
    path("recommendations/performance/", PerformanceView.as_view(), name="recommendations-performance"),
    path("recommendations/batch/", PlacementBatchView.as_view(), name="recommendations-batch"),
    path("recommendations/<slug:scenario>/", RecommendationsView.as_view(), name="recommendations"),
    path("rank/", RankView.as_view(), name="rank"),
    path("search/autocomplete/", AutocompleteView.as_view(), name="autocomplete"),
    path("search/", SearchView.as_view(), name="search"),
]
