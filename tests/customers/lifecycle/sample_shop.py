"""A shop whose customers order again and again, for tests of predictions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction

from customers.identity.models import Customer, Identifier
from customers.orders.models import Order
from tests.makers import NOON, make_source

CUSTOMERS = 120


def make_sample_shop(*, until: datetime = NOON, seed: int = 5, customers: int = CUSTOMERS) -> list[Customer]:
    """Return customers who order every 10 to 40 days for a year.

    Some have stopped, and each has a typical order size.
    """
    draws = np.random.default_rng(seed)
    source = make_source()
    buyers = Customer.objects.bulk_create([Customer() for _number in range(customers)])
    Identifier.objects.bulk_create(
        Identifier(kind="user_id", value=f"buyer-{number}", customer=customer) for number, customer in enumerate(buyers)
    )
    orders = []
    for number, customer in enumerate(buyers):
        pace, size = draws.uniform(10, 40), draws.uniform(10, 200)
        age, left = draws.uniform(200, 360), draws.random() < 0.4
        day, last = age, age * draws.uniform(0.3, 0.9) if left else 0.0
        while day > last:
            total = Decimal(round(size * draws.uniform(0.5, 1.5), 2)).quantize(Decimal("0.01"))
            orders.append(
                Order(
                    source=source,
                    order_id=f"{number}/{len(orders)}",
                    customer=customer,
                    placed_at=until - timedelta(days=day),
                    currency="EUR",
                    subtotal=total,
                    total=total,
                )
            )
            day -= pace * draws.uniform(0.5, 1.5)
    Order.objects.bulk_create(orders)
    return buyers


@contextmanager
def share_rows(blocker: Any) -> Iterator[None]:
    """Open a transaction for rows that the tests of a module share.

    Each test then runs in its own savepoint.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
