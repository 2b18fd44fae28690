"""A small shop with orders, for clickstream simulations."""

from datetime import timedelta

from customers.orders.models import Order
from tests.makers import NOON, make_customer, make_order, make_product, make_source

HOUSEHOLDS = 12
DAYS = 14


def make_shop() -> list[Order]:
    """Make twelve households that each order every third day, with thirty products in three categories."""
    products = [
        make_product(f"p{number}", title=f"Thing {number}, 10 oz", category=f"Department > Shelf {number % 3}")
        for number in range(30)
    ]
    source = make_source("shop")
    customers = [make_customer(f"household-{number}") for number in range(HOUSEHOLDS)]
    return [
        make_order(
            customer,
            placed_at=NOON - timedelta(days=day, minutes=7 * number),
            products=[products[(day * 7 + number * 5 + line * 11) % 30] for line in range(3)],
            quantity=2,
            order_id=f"order-{number}-{day}",
            source=source,
        )
        for number, customer in enumerate(customers)
        for day in range(0, DAYS, 3)
    ]
