"""A small shop with two tastes: customers who drink tea or coffee and buy every week for half a year."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from tests.makers import NOON, make_product, make_source

WEEKS = 26
N_CUSTOMERS = 40


def make_tea_and_coffee_shop(*, until: datetime = NOON) -> dict[str, Product]:
    """Make 40 customers, user-0 to user-39, and five products each of tea, coffee and cake.

    Even customers buy tea, odd ones coffee, and all of them sometimes cake.
    """
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
    customers = Customer.objects.bulk_create([Customer() for _number in range(N_CUSTOMERS)])
    Identifier.objects.bulk_create(
        [
            Identifier(kind="user_id", value=f"user-{number}", customer=customer)
            for number, customer in enumerate(customers)
        ]
    )
    rng, source = np.random.default_rng(7), make_source()
    orders: list[Order] = []
    lines: list[OrderLine] = []
    for number, customer in enumerate(customers):
        taste = "tea" if number % 2 == 0 else "coffee"
        for week in range(WEEKS):
            product_ids = [f"{taste}-{choice}" for choice in rng.choice(5, size=2, replace=False)]
            product_ids += [f"cake-{rng.integers(5)}"] * int(rng.random() < 0.3)
            order = Order(
                source=source,
                order_id=f"{number}/{week}",
                customer=customer,
                placed_at=until - timedelta(weeks=WEEKS - week, hours=-number),
                currency="EUR",
            )
            orders.append(order)
            for line_number, product_id in enumerate(product_ids, start=1):
                price = products[product_id].price
                lines.append(
                    OrderLine(
                        order=order,
                        line_number=line_number,
                        product=products[product_id],
                        quantity=1,
                        unit_price=price,
                        total=price,
                    )
                )
    Order.objects.bulk_create(orders)
    OrderLine.objects.bulk_create(lines)
    return products


def get_customer(user_id: str) -> Customer:
    return Customer.objects.get(identifiers__kind="user_id", identifiers__value=user_id)
