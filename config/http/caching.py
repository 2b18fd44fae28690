"""Which responses may be stored: none, unless the response itself allows it or its URL is one whose content rarely changes."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

API_PATH = "/api/"
PRIVATE = "private, no-store"
# Clients keep these answers and ask with If-None-Match whether they are still current; ConditionalGetMiddleware adds the ETag.
REVALIDATED = "private, no-cache"
REVALIDATED_VIEWS = {"product", "categories", "schema"}


class CacheControlMiddleware:
    """Forbids caches to store responses, because most depend on the caller, and sets the Vary header of API responses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path_info.startswith(API_PATH):
            patch_vary_headers(response, ("Authorization", "Cookie"))
        if not response.has_header("Cache-Control"):
            is_revalidated = request.method in ("GET", "HEAD") and response.status_code == 200
            match = request.resolver_match
            if is_revalidated and match is not None and match.view_name in REVALIDATED_VIEWS:
                response["Cache-Control"] = REVALIDATED
            else:
                response["Cache-Control"] = PRIVATE
        return response
