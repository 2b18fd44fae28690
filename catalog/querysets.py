"""Filters over products that read as a chain."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from catalog.models import Product  # noqa: F401 - named in a string


class ProductQuerySet(models.QuerySet["Product"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def buyable(self) -> Self:
        """Active, not sold out, and with stock where stock is counted."""
        return self.active().exclude(availability="out_of_stock").filter(Q(stock__isnull=True) | Q(stock__gt=0))

    def in_category(self, path: str) -> Self:
        """In the category with this path, or anywhere below it."""
        return self.filter(Q(category__path=path) | Q(category__path__startswith=f"{path} > "))
