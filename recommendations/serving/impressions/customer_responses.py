"""The number of recommendations served to a customer, for the customer profile."""

from datetime import datetime
from typing import Any

from django.db import connection

from customers.lifecycle.portrait.responses import SENT, ChannelResponses, ResponseChannel

MAX_COUNTED = 10_000

SERVED_TO_CUSTOMER = f"""
SELECT count(*), max(served_at)
FROM (
    SELECT served_at FROM serving_impression
    WHERE customer_id = %(customer)s AND served_at < %(as_of)s ORDER BY served_at DESC LIMIT {MAX_COUNTED}
) AS newest
"""  # noqa: S608 — our own number


def count_recommendations_served(*, customer_id: int, as_of: datetime, **_kwargs: Any) -> list[ChannelResponses]:
    """Return the number of served recommendations, at most MAX_COUNTED, and the latest time."""
    with connection.cursor() as cursor:
        cursor.execute(SERVED_TO_CUSTOMER, {"customer": customer_id, "as_of": as_of})
        count, last_at = cursor.fetchone()
    return [ChannelResponses(ResponseChannel.RECOMMENDATIONS, SENT, count, last_at)] if count else []
