"""Placeholder images as PNG, for emails: most mail programs, Gmail among them, do not show SVG."""

from functools import lru_cache
from urllib.parse import urlencode, urlsplit

from django.urls import reverse
from resvg_py import svg_to_bytes

from catalog.placeholder_images.drawing import MAX_LENGTH, draw_placeholder

PIXELS = 400
CACHED_IMAGES = 256  # of about 20 kB each


def build_png_url(*, category: str, title: str) -> str:
    """Return the URL of a product's placeholder image as PNG."""
    query = urlencode({"category": category[:MAX_LENGTH], "title": title[:MAX_LENGTH]})
    return f"{reverse('catalog-placeholder-png')}?{query}"


def choose_mail_image_url(*, image_url: str, category: str, title: str) -> str:
    """Return the URL of a product's own image if mail programs show its format, else of its placeholder."""
    return image_url if image_url and not is_svg(image_url) else build_png_url(category=category, title=title)


def is_svg(url: str) -> bool:
    """Return whether a URL names an SVG image."""
    try:
        return urlsplit(url).path.lower().endswith((".svg", ".svgz"))
    except ValueError:
        return False


def draw_placeholder_png(*, category: str, title: str) -> bytes:
    """Return the placeholder as PNG; drawing takes about 20 ms, and each process draws the same image only once."""
    return rasterize(draw_placeholder(category=category, title=title))


@lru_cache(maxsize=CACHED_IMAGES)
def rasterize(svg: str) -> bytes:
    """Draw an SVG image of this package."""
    return svg_to_bytes(svg_string=svg, width=PIXELS, height=PIXELS, skip_system_fonts=True)
