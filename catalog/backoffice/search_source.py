"""Products in the search of the back office."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source


def find_products(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return products with every word in their ID, SKU, title or brand: those with exactly this ID or SKU first."""
    products = Product.objects.search(text).only("product_id", "title", "brand")
    return [
        SearchMatch(
            title=product.title or product.product_id,
            url=reverse("admin:catalog_product_change", args=[product.pk]),
            detail=" · ".join(part for part in (product.brand, product.product_id) if part),
        )
        for product in products[:limit]
    ]


register_search_source(
    SearchSource(key="products", label=_("Products"), permission="catalog.view_product", order=20, find=find_products)
)
