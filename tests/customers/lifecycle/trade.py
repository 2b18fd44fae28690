"""A shop of people who order again and again, for tests of what is foretold."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from customers.identity.models import Customer, Identifier
from customers.orders.models import Order
from tests.makers import NOON, make_source

PEOPLE = 120


def make_trade(*, until: datetime = NOON, seed: int = 5, people: int = PEOPLE) -> list[Customer]:
    """People who order every 10 to 40 days for a year, some of whom have stopped; each of them in another size of order."""
    draws = np.random.default_rng(seed)
    source = make_source()
    customers = Customer.objects.bulk_create([Customer() for _person in range(people)])
    Identifier.objects.bulk_create(
        Identifier(kind="user_id", value=f"buyer-{number}", customer=customer)
        for number, customer in enumerate(customers)
    )
    orders = []
    for number, customer in enumerate(customers):
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
    return customers
