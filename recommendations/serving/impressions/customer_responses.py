"""What the portrait of a customer asks about recommendations: how many answers were given to them, and when last."""

from datetime import datetime
from typing import Any

from django.db import connection

from customers.lifecycle.portrait.responses import SENT, Channel, Responses

MOST_SERVED = 10_000

SERVED = f"""
SELECT count(*), max(served_at)
FROM (
    SELECT served_at FROM serving_impression
    WHERE customer_id = %(customer)s AND served_at < %(as_of)s ORDER BY served_at DESC LIMIT {MOST_SERVED}
) AS newest
"""  # noqa: S608 — our own number


def tell_served(*, customer_id: int, as_of: datetime, **_kwargs: Any) -> list[Responses]:
    """The newest `MOST_SERVED` answers at most."""
    with connection.cursor() as cursor:
        cursor.execute(SERVED, {"customer": customer_id, "as_of": as_of})
        number, last_at = cursor.fetchone()
    return [Responses(Channel.RECOMMENDATIONS, SENT, number, last_at)] if number else []
