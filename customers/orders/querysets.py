"""Filters over orders that read as a chain."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from customers.orders.models import Order  # noqa: F401 - named in a string


class OrderQuerySet(models.QuerySet["Order"]):
    def sales(self) -> Self:
        """Orders that stand: neither returns nor cancelled."""
        return self.filter(kind="sale").exclude(status="cancelled")

    def returns(self) -> Self:
        return self.filter(kind="return")

    def before(self, moment: datetime) -> Self:
        return self.filter(placed_at__lt=moment)

    def known(self) -> Self:
        """Orders of a customer, not of a guest."""
        return self.filter(customer__isnull=False)
