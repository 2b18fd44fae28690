"""The signals of one chunk, locked until its transaction ends. Plain objects: model instances cost more than the rest of the reading."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

TAKE_SIGNALS = """
SELECT id, kind, name, customer_id, product_id, occurrence, at, data::text FROM flows_flowsignal
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""


@dataclass(slots=True)
class TakenSignal:
    """A row of FlowSignal.

    Attributes:
        customer_id: changes to that of the kept customer if the customer was merged.
        latest_at: for an order, when it may have been placed at the latest, because its time was sent as a day or a minute.
    """

    pk: int
    kind: str
    name: str
    customer_id: int | None
    product_id: str
    occurrence: str
    at: datetime
    data: dict[str, Any]
    latest_at: datetime | None = None


def take_signals(limit: int) -> list[TakenSignal]:
    """Lock the oldest signals and return them in the order in which they were written."""
    decode = msgspec.json.decode
    with connection.cursor() as cursor:
        cursor.execute(TAKE_SIGNALS, [limit])
        return [TakenSignal(*(*row[:7], decode(row[7]))) for row in cursor.fetchall()]
