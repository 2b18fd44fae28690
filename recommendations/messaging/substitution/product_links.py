"""Links to products."""

from urllib.parse import quote

from django.conf import settings

from recommendations.serving.state.product_index import ProductCard


def build_product_url(card: ProductCard) -> str:
    """Return the product's URL from the catalog, else the one built from the setting ``PRODUCT_URL``, else an empty text."""
    if card.url or not settings.PRODUCT_URL:
        return card.url
    return settings.PRODUCT_URL.replace("{product_id}", quote(card.product_id, safe=""))
