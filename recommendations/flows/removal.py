"""Removes people from flows: all of a flow that ends, or single ones."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from recommendations.flows.execution.stays import StepCounts

# one statement for any number of people
END_ALL = """
WITH ended AS (
    UPDATE flows_flowentry SET status = 'removed', finished_at = %(now)s
    WHERE flow_id = %(flow)s AND status = 'active' AND (%(customers)s::bigint[] IS NULL OR customer_id = ANY(%(customers)s::bigint[]))
    RETURNING version_id, step_key
)
SELECT version_id, step_key, count(*) FROM ended GROUP BY version_id, step_key
"""


def end_stays_of(*, flow_id: int, now: datetime, customer_ids: Sequence[int] | None = None) -> StepCounts:
    """End the stays of a flow, or of some of its customers; return the counts to add at the end of the transaction."""
    customers = None if customer_ids is None else format_bigint_list(customer_ids)
    counts: StepCounts = Counter()
    with connection.cursor() as cursor:
        cursor.execute(END_ALL, {"flow": flow_id, "now": now, "customers": customers})
        for version_id, step_key, number in cursor.fetchall():
            counts[version_id, step_key, "removed"] += number
            counts[version_id, "", "removed"] += number
    return counts
