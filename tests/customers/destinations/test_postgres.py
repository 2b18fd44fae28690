"""Tables in another schema of the test's own server: upserts, new columns, wrong settings, erasure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from customers.destinations.kinds import postgres
from customers.destinations.models import Destination
from customers.destinations.outbox import collecting, removals, sending
from customers.erasure.runner import erase_customers
from customers.orders.models import OrderEvent
from tests.customers.destinations.makers import make_destination, make_sharing_customer
from tests.makers import NOON, make_order, make_product

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def link(settings: Any) -> Iterator[psycopg.Connection[Any]]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
    parameters = connection.get_connection_params()
    keys = ("host", "port", "dbname", "user", "password")
    with psycopg.connect(**{key: parameters[key] for key in keys if parameters.get(key)}, autocommit=True) as link:
        link.execute("CREATE SCHEMA IF NOT EXISTS partner")
        try:
            yield link
        finally:
            link.execute("DROP SCHEMA partner CASCADE")


def make_database(link: psycopg.Connection[Any]) -> Destination:
    info = link.info
    options = {
        "host": info.host, "port": str(info.port), "database": info.dbname, "user": info.user, "schema": "partner",
    }  # fmt: skip
    streams = ("orders", "order_changes")
    return make_destination("postgres", options, {"password": info.password or "x"}, streams=streams)


def run(at: Any) -> int:
    collecting.collect_records(at=at)
    return sending.send_due(at=at, seconds=30)


def test_orders_are_written_once_and_stay_current(
    link: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = make_database(link)
    ada = make_sharing_customer("ada")
    order = make_order(ada, products=[make_product("tea")], order_id="o-1")
    make_order(make_sharing_customer("bo"), order_id="o-2")
    assert run(NOON) == 2
    read = "SELECT order_id, user_id, total, status, lines->0->>'product_id' FROM partner.orders ORDER BY id"
    assert link.execute(read).fetchall()[0] == ("o-1", "ada", 10, "placed", "tea")
    order.status = "refunded"
    order.save()
    OrderEvent.objects.create(
        source=order.source, message_id="r", order_id="o-1", kind="refunded", occurred_at=NOON, folded=True
    )
    columns = {**postgres.TABLES["orders"], "channel": "text"}
    monkeypatch.setattr(postgres, "TABLES", {**postgres.TABLES, "orders": columns})
    assert run(NOON + MINUTE) == 1
    assert [row[3] for row in link.execute(read).fetchall()] == ["refunded", "placed"]
    assert link.execute("SELECT channel FROM partner.orders").fetchall() == [(None,), (None,)]
    erase_customers([ada.pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 1
    assert [row[0] for row in link.execute(read).fetchall()] == ["o-2"]
    link.execute("DROP SCHEMA partner CASCADE")
    make_order(make_sharing_customer("cy"))
    assert run(NOON + 2 * MINUTE) == 0
    destination.refresh_from_db()
    assert "partner" in destination.problem
    link.execute("CREATE SCHEMA partner")
    assert run(NOON + timedelta(hours=2)) == 1


def test_a_database_that_does_not_answer_is_tried_again(link: psycopg.Connection[Any]) -> None:
    destination = make_database(link)
    make_order(make_sharing_customer("ada"))
    Destination.objects.update(options={**destination.options, "port": "1"})
    assert run(NOON) == 0
    destination.refresh_from_db()
    assert (destination.problem, destination.retry_at) == ("", NOON + timedelta(seconds=5))
