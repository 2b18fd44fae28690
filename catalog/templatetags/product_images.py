"""The image of a product in templates."""

from typing import Protocol

from django.template import Library

from catalog.placeholder_images.drawing import choose_image_url

register = Library()


class ShownProduct(Protocol):
    """A product with what its image needs; category: its path."""

    @property
    def image_url(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def title(self) -> str: ...


@register.filter
def product_image(product: ShownProduct) -> str:
    """Return the URL of the product's image or of its placeholder."""
    return choose_image_url(image_url=product.image_url, category=product.category, title=product.title)
