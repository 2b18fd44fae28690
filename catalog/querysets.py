"""Chainable filters of products."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Case, IntegerField, Q, Value, When

from catalog.sold_out import SOLD_OUT

if TYPE_CHECKING:
    from catalog.models import Product


class ProductQuerySet(models.QuerySet["Product"]):
    """Filters of products."""

    def active(self) -> Self:
        return self.filter(is_active=True)

    def buyable(self) -> Self:
        """Return active products that are not sold out."""
        return self.active().exclude(SOLD_OUT)

    def find(self, reference: str) -> "Product | None":
        """Return the product with this ID, else the only product with this SKU."""
        if not reference or "\0" in reference:
            return None
        if (product := self.filter(product_id=reference).first()) is not None:
            return product
        with_sku = list(self.filter(sku=reference)[:2])
        return with_sku[0] if len(with_sku) == 1 else None

    def in_category(self, path: str) -> Self:
        """Return the products in the category with this path and below it."""
        return self.filter(Q(category__path=path) | Q(category__path__startswith=f"{path} > "))

    def search(self, text: str) -> Self:
        """Return the products with every word in their ID, SKU, title or brand.

        Products with exactly this ID or SKU come first, then those whose title starts with the text.
        """
        condition = Q()
        for word in text.split():
            condition &= (
                Q(product_id__icontains=word)
                | Q(sku__icontains=word)
                | Q(title__icontains=word)
                | Q(brand__icontains=word)
            )
        rank = Case(
            When(Q(product_id=text) | Q(sku=text), then=Value(0)),
            When(title__istartswith=text, then=Value(1)),
            default=Value(2),
            output_field=IntegerField(),
        )
        return self.filter(condition).order_by(rank, "title", "pk")
