"""The earlier stays of customers in flows, which decide whether they may enter again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

type StayKey = tuple[int, int]  # flow, customer

READ_HISTORY = """
SELECT e.flow_id, e.customer_id, e.triggered_at, e.occurrence
FROM unnest(%s::bigint[], %s::bigint[]) AS row (flow_id, customer_id)
JOIN flows_flowentry e ON e.customer_id = row.customer_id AND e.flow_id = row.flow_id
"""


@dataclass
class StayHistory:
    """When customers were last triggered, and by which occurrences; by flow and customer."""

    last_triggered_at: dict[StayKey, datetime] = field(default_factory=dict)
    occurrences: set[tuple[StayKey, str]] = field(default_factory=set)

    def add(self, key: StayKey, occurrence: str, at: datetime) -> None:
        self.last_triggered_at[key] = max(self.last_triggered_at.get(key, at), at)
        if occurrence:
            self.occurrences.add((key, occurrence))

    def knows(self, key: StayKey, occurrence: str) -> bool:
        """Return whether the occurrence has started a stay of the customer before."""
        return (key, occurrence) in self.occurrences


def read_history(customers_by_flow: Mapping[int, set[int]]) -> StayHistory:
    """Return the history of customers in flows."""
    history = StayHistory()
    pairs = [(flow_id, customer) for flow_id, customers in customers_by_flow.items() for customer in customers]
    if pairs:
        with connection.cursor() as cursor:
            cursor.execute(READ_HISTORY, list(map(list, zip(*pairs, strict=True))))
            for flow_id, customer_id, triggered_at, occurrence in cursor.fetchall():
                history.add((flow_id, customer_id), occurrence, triggered_at)
    return history
