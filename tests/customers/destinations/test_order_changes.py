"""Changes of orders by imports reach destinations once, also when their transaction ends after those with higher IDs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from customers.analytics.data_version import DataVersion, read_data_version
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.questions.registry import get_question
from customers.destinations.models import Destination, OutgoingRecord
from customers.destinations.outbox import collecting, sending
from customers.events.models import Source
from customers.orders.cancellation import cancel_orders
from customers.orders.models import OrderChange, OrderEvent
from customers.orders.upsert import upsert_orders
from tests.customers.destinations.makers import make_destination, make_sharing_customer
from tests.customers.destinations.receivers import Receiver
from tests.makers import NOON, make_customer, make_order, make_source
from tests.waiting import DEADLINE_SECONDS

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MINUTE = timedelta(minutes=1)


def make_item(order_id: str, user_id: str, **fields: Any) -> dict[str, Any]:
    lines = [{"product_id": "tea", "quantity": 1, "unit_price": "10.00"}]
    return {"order_id": order_id, "user_id": user_id, "placed_at": NOON.isoformat(), "lines": lines, **fields}


def upsert(source: Source, *items: dict[str, Any]) -> None:
    upsert_orders(items=items, source=source, at=NOON + MINUTE, currency="EUR")


@pytest.mark.django_db
def test_changes_by_an_import_are_sent_once_to_those_who_may_get_them(receiver: Receiver) -> None:
    receiver.secret = SECRET
    source = make_source("shop-orders")
    make_sharing_customer("ada")
    make_customer("silent")
    orders = [make_item(f"o-{name}", "ada") for name in ("cancelled", "refunded", "updated", "same")]
    upsert(source, *orders, make_item("o-silent", "silent"))
    assert not OrderChange.objects.exists(), "new orders are no changes"
    url = f"{receiver.url}/hook"
    make_destination("webhook", {"url": url}, {"secret": SECRET}, streams=("order_changes",))
    more = [{"product_id": "tea", "quantity": 3, "unit_price": "10.00"}]
    changed = [
        make_item("o-cancelled", "ada", status="cancelled"),
        make_item("o-refunded", "ada", status="partly_refunded", refunded="4.00"),
        make_item("o-updated", "ada", lines=more),
        make_item("o-same", "ada"),
        make_item("o-silent", "silent", status="cancelled"),
    ]
    for _repetition in range(2):
        upsert(source, *changed)
        collecting.collect_records(at=NOON + MINUTE)
    assert sending.send_due(at=NOON + MINUTE, seconds=DEADLINE_SECONDS) == 3
    assert {item["data"]["order_id"]: item["type"] for item in receiver.items} == {
        "o-cancelled": "order.cancelled", "o-refunded": "order.refunded", "o-updated": "order.updated",
    }  # fmt: skip
    assert {item["data"]["order_id"]: item["data"]["total"] for item in receiver.items}["o-updated"] == 30
    assert OutgoingRecord.objects.filter(status="not_consented").count() == 1
    OrderEvent.objects.create(
        source=source, message_id="e", order_id="o-same", kind="updated", occurred_at=NOON, folded=True
    )
    collecting.collect_records(at=NOON + MINUTE)
    assert sending.send_due(at=NOON + MINUTE, seconds=DEADLINE_SECONDS) == 1, "events and imports share one log"


@pytest.mark.django_db
def test_rows_of_a_transaction_that_is_still_open_are_found_later() -> None:
    """The test's own transaction is open all the time: a row may appear far before the position."""
    ada = make_sharing_customer("ada")
    destination = make_destination("webhook", {"url": "https://partner.example"}, {}, streams=("orders",))
    start = destination.cursors["orders"]["id"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(s, %s) FROM pg_get_serial_sequence('orders_order', 'id') AS s", [start + 200_000])
    make_order(ada)
    collected = [collecting.collect_records(at=NOON) for _run in range(4)]
    make_order(ada, pk=start + 1)
    assert [*collected, collecting.collect_records(at=NOON)] == [1, 0, 0, 0, 1]
    destination.refresh_from_db()
    assert destination.cursors["orders"]["complete"] == start


def test_the_horizon_moves_when_all_transactions_from_before_have_ended() -> None:
    position: dict[str, Any] = {"start": 5, "id": 9, "complete": 5}

    def move(**horizon: int) -> Any:
        nonlocal position
        position = collecting.move_horizon(position, latest=horizon.pop("latest", 20), **horizon)
        return position["complete"]

    assert move(oldest_open=100, next_transaction=110) == 5
    assert move(oldest_open=110, next_transaction=112) == 5, "who took an ID before may have got a number only now"
    assert move(oldest_open=111, next_transaction=113) == 5, "111 is open, and began before 112"
    assert move(oldest_open=112, next_transaction=115, latest=8) == 5, "a row is not ready yet"
    assert move(oldest_open=112, next_transaction=115) == 9
    assert position == {"start": 5, "id": 9, "complete": 9}


@pytest.mark.django_db
def test_a_stream_at_rest_is_not_read_any_more(django_assert_num_queries: Any) -> None:
    destination = make_destination("webhook", {"url": "https://partner.example"}, {}, streams=("orders",))
    assert isinstance(destination, Destination)
    with django_assert_num_queries(1):
        assert collecting.collect_stream(destination, "orders", at=NOON) == 0


def read_version() -> DataVersion:
    parameters = OutcomeParameters(since=NOON.date(), until=NOON.date())
    return read_data_version(question=get_question("outcome-growth"), parameters=parameters, now=NOON)


@pytest.mark.django_db
def test_changes_of_the_orders_of_guests_outdate_stored_results_and_notify_nobody() -> None:
    source = make_source("shop-orders")
    upsert(source, make_item("o-1", ""), make_item("o-2", ""))
    make_destination("webhook", {"url": "https://partner.example"}, {}, streams=("order_changes",))
    versions = [read_version()]
    upsert(source, make_item("o-1", "", status="cancelled"))
    versions.append(read_version())
    cancel_orders(source=source, order_ids=["o-2"], at=NOON)
    versions.append(read_version())
    assert len(set(versions)) == 3
    assert collecting.collect_records(at=NOON + MINUTE) == 0
