"""Functions that create stored objects; a test passes every argument that it depends on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from catalog.models import Category, Product
from customers.events.models import Source
from customers.identity.models import Consent, Customer, Identifier
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order, OrderLine
from customers.segments.models import Segment

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
numbers = count(1)


def make_customer(user_id: str | None = None, **fields: Any) -> Customer:
    """Create a customer, with an identifier if a user id is given."""
    customer = Customer.objects.create(**fields)
    if user_id is not None:
        make_identifier(customer, user_id)
    return customer


def make_identifier(
    customer: Customer, value: str, *, kind: str = Identifier.Kind.USER_ID, **fields: Any
) -> Identifier:
    return Identifier.objects.create(kind=kind, value=value, customer=customer, **fields)


def make_profile(customer: Customer, **fields: Any) -> CustomerProfile:
    return CustomerProfile.objects.create(customer=customer, **fields)


def make_consent(
    customer: Customer,
    purpose: str = Consent.Purpose.EMAIL,
    *,
    status: str = Consent.Status.GRANTED,
    recorded_at: datetime = NOON,
) -> Consent:
    return Consent.objects.create(customer=customer, purpose=purpose, status=status, recorded_at=recorded_at)


def make_category(path: str) -> Category:
    """Create the category with this path and its ancestors."""
    parent_path, _, name = path.rpartition(" > ")
    parent = make_category(parent_path) if parent_path else None
    slug = name.lower().replace(" ", "-")
    return Category.objects.get_or_create(path=path, defaults={"name": name, "slug": slug, "parent": parent})[0]


def make_product(product_id: str | None = None, *, category: str | Category | None = None, **fields: Any) -> Product:
    product_id = product_id or f"product-{next(numbers)}"
    if isinstance(category, str):
        category = make_category(category)
    fields = {"title": product_id, "price": Decimal("10.00"), "currency": "EUR", **fields}
    return Product.objects.create(product_id=product_id, category=category, **fields)


def make_source(key: str = "shop", **fields: Any) -> Source:
    return Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.IMPORT, **fields})[0]


def make_order(
    customer: Customer | None,
    *,
    placed_at: datetime = NOON,
    products: Sequence[Product] = (),
    quantity: Decimal | int = 1,
    order_id: str | None = None,
    source: Source | None = None,
    **fields: Any,
) -> Order:
    """Create an order with one line per product; the totals are computed from the prices."""
    lines = [(product, (product.price or Decimal(0)) * quantity) for product in products]
    total = sum((total for _product, total in lines), Decimal(0))
    fields = {"currency": "EUR", "subtotal": total, "total": total, **fields}
    order = Order.objects.create(
        source=source or make_source(),
        order_id=order_id or f"order-{next(numbers)}",
        customer=customer,
        placed_at=placed_at,
        **fields,
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            line_number=number,
            product=product,
            quantity=quantity,
            unit_price=product.price or 0,
            total=line_total,
        )
        for number, (product, line_total) in enumerate(lines, start=1)
    )
    return order


def make_segment(key: str, condition: Any = None, **fields: Any) -> Segment:
    condition = {"all": []} if condition is None else condition
    return Segment.objects.create(key=key, condition=condition, **{"name": key, **fields})
