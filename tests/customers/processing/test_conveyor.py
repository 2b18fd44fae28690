"""From the outbox to every room: what an event means is there after one run, once."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customers.events.models import Event, Outbox
from customers.identity.models import Customer, Identifier
from customers.lifecycle.models import CustomerProfile
from customers.orders.models import Order
from customers.processing.models import ProcessingRun
from customers.segments.membership import segments_of
from tests.customers.processing.support import NOW, SECOND, order, process, product, send, track
from tests.makers import make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def test_order_profile_and_segment_are_there_after_one_run() -> None:
    buyers = make_segment("buyers", {"all": [{"field": "orders", "op": "gte", "value": 1}]})
    send(
        {"type": "identify", "userId": "ada", "anonymousId": "v1", "traits": {"email": "ada@example.org"}},
        track("Product Viewed", product(), context={"sessionId": "s1"}),
        order(products=[product(quantity=2)], total="25.00", shipping="5.00", currency="EUR"),
    )
    done = process()
    assert (done.events, done.counts["orders_created"], Outbox.objects.count()) == (3, 1, 0)
    found = Order.objects.get()
    assert (found.order_id, found.total, found.currency, found.status) == ("A1", Decimal("25.00"), "EUR", "placed")
    profile = CustomerProfile.objects.get()
    assert (profile.orders, profile.revenue, profile.events, profile.sessions) == (1, Decimal("25.00"), 3, 1)
    assert (profile.last_order_at, profile.stage) == (NOW, "new")
    assert segments_of(customer=found.customer, as_of=NOW + SECOND) == [buyers]
    assert set(Identifier.objects.values_list("kind", flat=True)) == {"user_id", "anonymous_id", "email_hash"}
    run = ProcessingRun.objects.get()
    assert (run.status, run.events, run.waiting, run.error) == ("done", 3, 3, "")
    assert Event.objects.count() == 3
    assert Customer.objects.count() == 1
