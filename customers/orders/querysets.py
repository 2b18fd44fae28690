"""Chainable filters of orders."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from customers.orders.models import Order  # noqa: F401 - named in a string


class OrderQuerySet(models.QuerySet["Order"]):
    """Filters of orders."""

    def sales(self) -> Self:
        """Return the sales that were not canceled."""
        return self.filter(kind="sale").exclude(status="cancelled")

    def returns(self) -> Self:
        return self.filter(kind="return")

    def before(self, moment: datetime) -> Self:
        return self.filter(placed_at__lt=moment)

    def known(self) -> Self:
        """Return the orders of customers, without those of guests."""
        return self.filter(customer__isnull=False)
