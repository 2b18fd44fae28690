"""Serves placeholder images to storefronts and the back office."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from catalog.placeholder_images.drawing import MAX_LENGTH, draw_placeholder

MAX_AGE = 24 * 60 * 60


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
