"""The page of a product in the shop."""

from urllib.parse import quote

from django.conf import settings


def resolve_product_url(url: str, product_id: str) -> str:
    """Return the URL of the catalog, else the one built from the setting ``PRODUCT_URL``, else an empty text."""
    if url or not settings.PRODUCT_URL:
        return url
    return str(settings.PRODUCT_URL).replace("{product_id}", quote(product_id, safe=""))
