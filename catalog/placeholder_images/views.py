"""Serves placeholder images to storefronts and the back office."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from catalog.placeholder_images.drawing import MAX_LENGTH, draw_placeholder
from catalog.placeholder_images.png import draw_placeholder_png
from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally

MAX_AGE = 24 * 60 * 60
PNG_PER_MINUTE = 600  # per client address, because drawing takes time; the image proxies of mail programs cache images


@require_safe
def show_placeholder_image(request: HttpRequest) -> HttpResponse:
    """Return the image for ``?category=…&title=…``; no other parameter and nothing stored affects it."""
    image = draw_placeholder(
        category=request.GET.get("category", "")[:MAX_LENGTH], title=request.GET.get("title", "")[:MAX_LENGTH]
    )
    return HttpResponse(
        image,
        content_type="image/svg+xml",
        headers={
            "Cache-Control": f"public, max-age={MAX_AGE}",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
    )


@require_safe
def show_placeholder_png(request: HttpRequest) -> HttpResponse:
    """Return the image as PNG, for emails; the parameters are those of the SVG image."""
    wait = count_locally(f"placeholder-png:{get_client_address(request.META)}", max_requests=PNG_PER_MINUTE)
    if wait:
        return HttpResponse("Too many requests.", status=429, headers={"Retry-After": str(wait)})
    image = draw_placeholder_png(
        category=request.GET.get("category", "")[:MAX_LENGTH], title=request.GET.get("title", "")[:MAX_LENGTH]
    )
    return HttpResponse(
        image, content_type="image/png", headers={"Cache-Control": f"public, max-age={MAX_AGE}, immutable"}
    )
