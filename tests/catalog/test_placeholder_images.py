"""Placeholder images of products without an image."""

import xml.etree.ElementTree as ElementTree
from io import BytesIO

import pytest
from django.test import Client
from PIL import Image

from catalog.placeholder_images.drawing import build_placeholder_url, draw_placeholder
from catalog.placeholder_images.icons import ICONS, choose_icon
from catalog.placeholder_images.png import choose_mail_image_url


@pytest.mark.parametrize(
    ("category", "title", "icon"),
    [
        ("Grocery > Ice cream/milk/sherbts > Premium", "Ice cream, premium", "ice-cream"),
        ("Grocery > Cat food > Dry cat food", "Dry cat food", "pet"),
        ("Meat > Beef > Choice beef", "Choice beef", "meat"),
        ("Grocery > Baked bread/buns/rolls > Hamburger buns", "Hamburger buns", "bread"),
        ("Produce > Apples > Apples gala", "Apples Gala", "fruit"),
        ("食品杂货 > 咖啡", "研磨咖啡", "coffee"),
        ("Unknown", "Thing", "basket"),
    ],
)
def test_the_icon_fits_the_product(category: str, title: str, icon: str) -> None:
    assert choose_icon(category=category, title=title).key == icon


@pytest.mark.parametrize("icon", ICONS, ids=lambda icon: icon.key)
def test_every_icon_is_valid_svg(icon) -> None:  # type: ignore[no-untyped-def]
    root = ElementTree.fromstring(f"<g>{icon.shapes}</g>")
    assert len(root)


def test_the_image_contains_nothing_from_its_arguments(client: Client) -> None:
    url = build_placeholder_url(category="<script>alert(1)</script>", title='"><script>' * 100)
    response = client.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == "image/svg+xml"
    assert b"script" not in response.content
    assert "max-age" in response["Cache-Control"]
    assert draw_placeholder(category="a", title="b") == draw_placeholder(category="a", title="b")


def test_emails_show_a_png_instead_of_an_svg_image(client: Client) -> None:
    own = choose_mail_image_url(image_url="https://shop.example/a.jpg", category="Food", title="Gouda")
    assert own == "https://shop.example/a.jpg"
    for svg in ("", "https://shop.example/a.SVG?v=1"):
        response = client.get(choose_mail_image_url(image_url=svg, category="Food > Cheese", title="Gouda"))
        assert response["Content-Type"] == "image/png"
        with Image.open(BytesIO(response.content)) as image:
            assert image.size == (400, 400)
