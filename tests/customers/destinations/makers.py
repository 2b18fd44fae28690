"""Makes destinations, and customers who allow sharing."""

import json
from datetime import datetime
from typing import Any

from customers.destinations.models import Destination
from customers.destinations.outbox.collecting import start_cursors
from customers.identity.consent.ledger import record_consent
from customers.identity.models import Customer
from tests.makers import NOON, make_customer


def make_sharing_customer(user_id: str, **fields: Any) -> Customer:
    customer = make_customer(user_id, **{"email": f"{user_id}@example.com", "country": "US", **fields})
    set_sharing(customer, "granted", at=NOON)
    return customer


def set_sharing(customer: Customer, status: str, *, at: datetime) -> None:
    record_consent(customer=customer, purpose="sharing", status=status, recorded_at=at)


def make_destination(
    kind: str,
    options: dict[str, Any],
    credentials: dict[str, str],
    *,
    streams: tuple[str, ...] = ("orders",),
    **fields: Any,
) -> Destination:
    destination = Destination.objects.create(
        name="Partner", kind=kind, options=options, credentials=json.dumps(credentials), streams=list(streams), **fields
    )
    start_cursors(destination)
    return destination
