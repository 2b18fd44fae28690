"""The shop of the restore test: its data, what it answers for each customer, and a worker that processes what arrives.

Run as ``python -m tests.journeys.backed_up_shop``, before the backup and after the restore.
"""

import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from tests.journeys.command_process import serve_commands

CUSTOMERS, PRODUCTS = 100, 30
RUN_SECONDS = 1.0  # a run of the worker ends too while events keep arriving; the backup waits for its end


def seed() -> str:
    """Fill the shop with the views and orders of 100 customers, refresh and export it; return a write key."""
    from catalog.models import Product
    from customers.events.collector.ingest import ingest_items
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key
    from customers.lifecycle.refresh.nightly import refresh_profiles
    from customers.processing.pipeline import process_events
    from customers.warehouse.export import export_warehouse

    now = datetime.now(UTC)
    Product.objects.bulk_create(
        Product(product_id=f"p{number}", title=f"Product {number}", price=f"{number + 1}.25", currency="USD")
        for number in range(PRODUCTS)
    )
    source = Source.objects.create(key="shop", name="shop", kind=Source.Kind.SERVER)
    items = [json.dumps(item).encode() for person in range(CUSTOMERS) for item in make_items(person, now)]
    for start in range(0, len(items), 100):
        batch = items[start : start + 100]
        ingest_items(source=source, items=batch, call_type=None, sent_at=None, received_at=now)
    process_events(at=now)
    refresh_profiles(as_of=now, started_at=now)
    export_warehouse(started_at=now)
    return rotate_write_key(source_id=source.pk, now=now, overlap=timedelta(0))


def make_items(person: int, now: datetime) -> list[dict[str, Any]]:
    """Return what a customer does on a day: they register, view a product and order it."""
    user, product, price = f"u{person}", f"p{person % PRODUCTS}", person % PRODUCTS + 1.25
    common = {"userId": user, "timestamp": (now - timedelta(days=person % 60 + 1)).isoformat()}
    line = {"product_id": product, "quantity": 1 + person % 3, "price": price}
    order = {"order_id": f"o{person}", "currency": "USD", "total": (1 + person % 3) * price, "products": [line]}
    return [
        {"type": "identify", "messageId": f"i{person}", "traits": {"email": f"{user}@shop.example"}, **common},
        {
            "type": "track",
            "event": "Product Viewed",
            "messageId": f"v{person}",
            "properties": {"product_id": product},
            **common,
        },
        {"type": "track", "event": "Order Completed", "messageId": f"o{person}", "properties": order, **common},
    ]


def work() -> None:
    """Process events as a worker does, while other commands run."""

    def process_forever() -> None:
        from config.foundation.database.advisory_locks import AlreadyRunningError
        from customers.processing.pipeline import process_events

        while True:
            with suppress(AlreadyRunningError):  # while the backup fixes its moment
                process_events(at=datetime.now(UTC), seconds=RUN_SECONDS)
            time.sleep(0.1)

    threading.Thread(target=process_forever, daemon=True).start()


def read_answers(at: str) -> dict[str, Any]:
    """Return what the shop knows and recommends for each customer, and the sums of orders in database and warehouse."""
    from django.db.models import Count, Sum

    from customers.identity.models import Customer, Identifier
    from customers.lifecycle.models import CustomerProfile
    from customers.orders.models import Order
    from customers.warehouse.connection import open_warehouse
    from recommendations.serving.state.loader import loader

    now = datetime.fromisoformat(at)
    loader.preload(now=now)
    customers = {customer.pk: customer for customer in Customer.objects.filter(identifiers__value__regex="^u[0-9]+$")}
    names = dict(Identifier.objects.filter(kind="user_id").values_list("customer_id", "value"))
    profiles = CustomerProfile.objects.filter(customer_id__in=customers).values()
    with open_warehouse() as warehouse:
        orders = int(warehouse["orders"].count().to_pyarrow().as_py())
    return {
        "customers": {
            names[row["customer_id"]]: {
                "profile": {key: str(value) for key, value in row.items()},
                "email": customers[row["customer_id"]].email,
                **read_serving(names[row["customer_id"]], now),
            }
            for row in profiles
        },
        "orders": {
            key: str(value) for key, value in Order.objects.aggregate(count=Count("pk"), money=Sum("total")).items()
        },
        "exported orders": orders,
    }


def read_serving(user_id: str, now: datetime) -> dict[str, Any]:
    """Return the recent interactions of a customer and the products recommended to them."""
    from customers.events.recent.interactions import read_recent_interactions
    from recommendations.serving.recommend import recommend
    from recommendations.serving.request import RecommendationRequest

    request = RecommendationRequest(scenario="for-you", user_id=user_id, n=5)
    response = recommend(request=request, now=now, has_deadline=False)
    return {
        "recent": [list(map(str, item)) for item in read_recent_interactions(identifiers=[("user_id", user_id)])],
        "products": [item.product_id for item in response.items],
    }


def manage(*command: str) -> str:
    """Run a management command and return its output."""
    from django.core.management import call_command

    output = StringIO()
    call_command(*command, stdout=output)
    return output.getvalue()


def count_events() -> list[int]:
    """Return the numbers of events of the load, of distinct ones, and of events that wait to be processed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT message_id), (SELECT count(*) FROM events_outbox) FROM events_event"
            " WHERE message_id LIKE 'load-%'"
        )
        return list(cursor.fetchone())


if __name__ == "__main__":
    serve_commands([seed, work, read_answers, manage, count_events])
