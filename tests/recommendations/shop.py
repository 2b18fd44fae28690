"""A small shop with two tastes: people who drink tea and people who drink coffee, buying every week for half a year."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from tests.makers import NOON, make_product, make_source

WEEKS = 26
PEOPLE = 40


def make_tea_and_coffee_shop(*, until: datetime = NOON) -> dict[str, Product]:
    """40 customers user-0…user-39, even ones for tea; five products a taste and five for all; the last week is never bought twice."""
    products = {
        f"{taste}-{number}": make_product(
            f"{taste}-{number}",
            title=f"{taste} number {number}",
            category=f"Drinks > {taste}",
            brand=f"{taste} house",
            price=Decimal(number + 1),
        )
        for taste in ("tea", "coffee", "cake")
        for number in range(5)
    }
    customers = Customer.objects.bulk_create([Customer() for _person in range(PEOPLE)])
    Identifier.objects.bulk_create(
        [
            Identifier(kind="user_id", value=f"user-{person}", customer=customer)
            for person, customer in enumerate(customers)
        ]
    )
    chance, source = np.random.default_rng(7), make_source()
    orders: list[Order] = []
    lines: list[OrderLine] = []
    for person, customer in enumerate(customers):
        taste = "tea" if person % 2 == 0 else "coffee"
        for week in range(WEEKS):
            bought = [f"{taste}-{number}" for number in chance.choice(5, size=2, replace=False)]
            bought += [f"cake-{chance.integers(5)}"] * int(chance.random() < 0.3)
            order = Order(
                source=source,
                order_id=f"{person}/{week}",
                customer=customer,
                placed_at=until - timedelta(weeks=WEEKS - week, hours=-person),
                currency="EUR",
            )
            orders.append(order)
            for place, name in enumerate(bought, start=1):
                price = products[name].price
                lines.append(
                    OrderLine(
                        order=order,
                        line_number=place,
                        product=products[name],
                        quantity=1,
                        unit_price=price,
                        total=price,
                    )
                )
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(lines)
    return products


def customer_of(user_id: str) -> Customer:
    return Customer.objects.get(identifiers__kind="user_id", identifiers__value=user_id)
