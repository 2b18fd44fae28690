"""All forms of the net amount and of the kept share agree: SQL, querysets and the warehouse."""

from decimal import Decimal
from typing import Any, NamedTuple

import ibis
import pyarrow as pa
import pytest
from django.db import connection
from psycopg import sql

from customers.lifecycle.facts.amounts import build_kept_share, build_net_amount, build_net_line, build_net_order
from customers.lifecycle.facts.warehouse_amounts import add_net_lines, build_warehouse_amount
from customers.orders.models import Order, OrderLine
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db


class Document(NamedTuple):
    """An order or return, what it adds to revenue, and what its line of half its total adds."""

    kind: str
    status: str
    total: int
    refunded: int
    net: int
    net_line: int


DOCUMENTS = (
    Document("sale", "placed", 100, 0, 100, 50),
    Document("sale", "placed", 0, 0, 0, 0),
    Document("sale", "partly_refunded", 100, 40, 60, 30),
    Document("sale", "refunded", 100, 100, 0, 0),
    Document("sale", "refunded", 100, 50, 0, 0),
    Document("sale", "refunded", 100, 0, 0, 0),
    Document("return", "placed", -100, 0, -100, -50),
    Document("return", "placed", 100, 0, -100, -50),
    Document("return", "placed", -100, 30, -100, -50),
    Document("return", "refunded", -100, 100, -100, -50),
)


@pytest.fixture
def orders() -> list[Order]:
    customer, tea = make_customer("ada"), make_product("tea")
    created = []
    for document in DOCUMENTS:
        total, refunded = Decimal(document.total), Decimal(document.refunded)
        order = make_order(customer, kind=document.kind, status=document.status, total=total, refunded=refunded)
        OrderLine.objects.create(
            order=order, line_number=1, product=tea, quantity=1, unit_price=abs(total / 2), total=total / 2
        )
        created.append(order)
    return created


def test_orders_have_one_net_amount(orders: list[Order]) -> None:
    expected = [document.net for document in DOCUMENTS]
    statement = sql.SQL("SELECT {net} FROM orders_order o ORDER BY o.id").format(net=build_net_amount())
    assert fetch_numbers(statement) == expected
    annotated = Order.objects.annotate(net=build_net_order()).order_by("id")
    assert list(annotated.values_list("net", flat=True)) == expected
    table = make_orders_table(orders)
    assert table.select(net=build_warehouse_amount(table)).to_pyarrow()["net"].to_pylist() == expected


def test_lines_have_one_net_amount(orders: list[Order]) -> None:
    expected = [document.net_line for document in DOCUMENTS]
    statement = sql.SQL(
        "SELECT {share} * abs(l.total) FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id ORDER BY o.id"
    ).format(share=build_kept_share())
    assert fetch_numbers(statement) == expected
    annotated = OrderLine.objects.annotate(net=build_net_line()).order_by("order_id")
    assert list(annotated.values_list("net", flat=True)) == expected
    lines = ibis.memtable(
        pa.table(
            {
                "order_pk": [order.pk for order in orders],
                "kind": [order.kind for order in orders],
                "quantity": [1] * len(orders),
                "total": [float(order.total) / 2 for order in orders],
            }
        )
    )
    rows = add_net_lines(lines, make_orders_table(orders)).order_by("order_pk").to_pyarrow()
    assert rows["kept_total"].to_pylist() == expected
    shares = [1, 1, 0.6, 0, 0, 0, -1, -1, -1, -1]
    assert rows["kept_quantity"].to_pylist() == pytest.approx(shares)


def fetch_numbers(statement: sql.Composable) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [number for (number,) in cursor.fetchall()]


def make_orders_table(orders: list[Order]) -> Any:
    return ibis.memtable(
        pa.table(
            {
                "id": [order.pk for order in orders],
                "kind": [order.kind for order in orders],
                "status": [order.status for order in orders],
                "total": [float(order.total) for order in orders],
                "refunded": [float(order.refunded) for order in orders],
            }
        )
    )
