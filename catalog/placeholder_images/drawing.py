"""Draws the image of a product that has none: the icon of its category on a color of its department."""

from urllib.parse import urlencode
from zlib import crc32

from django.urls import reverse

from catalog.placeholder_images.icons import choose_icon

MAX_LENGTH = 300  # of the category path and of the title; the rest does not change the image
STYLE = (
    ".d{{fill:hsl({hue} 45% 38%)}}.o,.s{{fill:none;stroke:#fff;stroke-width:5;stroke-linecap:round}}"
    ".s{{stroke:hsl({hue} 45% 38%);stroke-width:3.5}}"
)


def build_placeholder_url(*, category: str, title: str) -> str:
    """Return the URL of a product's placeholder image; products with the same category and title share it."""
    query = urlencode({"category": category[:MAX_LENGTH], "title": title[:MAX_LENGTH]})
    return f"{reverse('catalog-placeholder-image')}?{query}"


def choose_image_url(*, image_url: str, category: str, title: str) -> str:
    """Return the URL of a product's own image, or of its placeholder."""
    return image_url or build_placeholder_url(category=category, title=title)


def draw_placeholder(*, category: str, title: str) -> str:
    """Return an SVG image of 300 × 300 pixels. Its text parts are numbers, so nothing in it comes from the arguments."""
    department = " > ".join(category.split(" > ")[:2])
    hue = crc32(department.encode()) % 360
    turn = crc32(title.encode()) % 360
    icon = choose_icon(category=category, title=title)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300" viewBox="0 0 300 300">'
        f'<defs><linearGradient id="g" gradientTransform="rotate({turn % 90})"><stop stop-color="hsl({hue} 52% 68%)"/>'
        f'<stop offset="1" stop-color="hsl({(hue + 24) % 360} 48% 50%)"/></linearGradient></defs>'
        f'<style>{STYLE.format(hue=hue)}</style><rect width="300" height="300" fill="url(#g)"/>'
        f'<circle cx="{60 + turn % 180}" cy="{40 + turn * 7 % 220}" r="{60 + turn % 40}" fill="#fff" opacity=".12"/>'
        f'<g transform="translate(75 75) scale(1.5)" fill="#fff">{icon.shapes}</g></svg>'
    )
