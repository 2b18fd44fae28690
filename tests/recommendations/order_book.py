"""Collects the orders of a made shop and writes them at once."""

from collections.abc import Sequence
from datetime import timedelta

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from tests.makers import NOON, make_source


class OrderBook:
    """Collects orders and writes them at once; every order is by a new customer unless one is given."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, int, Sequence[str]]] = []

    def add(self, *product_ids: str, times: int = 1, people: int | None = None, day: int = 0) -> None:
        first = len(self.orders)
        for number in range(times):
            name = f"buyer-{first + (number % people if people else number)}"
            self.orders.append((name, day + number, product_ids))

    def save(self) -> None:
        names = sorted({name for name, _day, _ids in self.orders})
        customers = dict(zip(names, Customer.objects.bulk_create([Customer() for _name in names]), strict=True))
        Identifier.objects.bulk_create(
            [Identifier(kind="user_id", value=name, customer=customer) for name, customer in customers.items()]
        )
        products = {product.product_id: product for product in Product.objects.all()}
        source = make_source()
        orders = Order.objects.bulk_create(
            [
                Order(
                    source=source,
                    order_id=str(number),
                    customer=customers[name],
                    placed_at=NOON - timedelta(days=900) + timedelta(days=day, seconds=number),
                    currency="EUR",
                )
                for number, (name, day, _ids) in enumerate(self.orders)
            ]
        )
        OrderLine.objects.bulk_create(
            [
                OrderLine(order=order, line_number=line, product=products[name], quantity=1, unit_price=1, total=1)
                for order, (_name, _day, ids) in zip(orders, self.orders, strict=True)
                for line, name in enumerate(ids, start=1)
            ]
        )
