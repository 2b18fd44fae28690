"""Every address of the project."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health
from config.access.problems import api_not_found
from customers.events.urls import collector_urlpatterns

# each room's addresses stand in its own urls.py
api: list[URLPattern | URLResolver] = [
    path("", include("recommendations.serving.urls")),  # before the catalogue's, whose products' ids may hold slashes
    path("", include("catalog.urls")),
    path("", include("customers.identity.urls")),
    path("", include("customers.events.urls")),
    path("", include("customers.orders.urls")),
    path("", include("customers.feedback.urls")),
    path("", include("customers.lifecycle.urls")),
    path("", include("customers.segments.urls")),
    path("", include("recommendations.campaigns.urls")),
    path("", include("recommendations.training.urls")),
    path("", include("recommendations.merchandising.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include(api)),
    *collector_urlpatterns,
    path("shop/", include("config.storefront.urls")),
    re_path("^api/", api_not_found),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("", include("django_prometheus.urls")),
]
