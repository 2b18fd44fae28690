"""Every address of the project."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, path


def live(request: HttpRequest) -> JsonResponse:
    """That the process answers."""
    return JsonResponse({"status": "live"})


urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("health/live", live),
]
