"""Sessions of a person: a pause of 30 minutes begins a new one. Midnight does not cut, because only the pause counts."""

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.engines import SECOND

GAP_MINUTES = 30


def add_session(events: ir.Table, gap_minutes: int = GAP_MINUTES) -> ir.Table:
    """Return events with ``session``, the time in microseconds at which their session began.

    Two events exactly the gap apart are in one session.
    """
    order = [events["at"], events.id]
    by_person = ibis.window(group_by=events.customer_id, order_by=order)
    rows = events.mutate(previous_at=events["at"].lag().over(by_person))
    is_first = rows.previous_at.isnull() | (rows["at"] - rows.previous_at > gap_minutes * 60 * SECOND)
    rows = rows.mutate(start=ibis.ifelse(is_first, rows["at"], None))
    until_now = ibis.window(group_by=rows.customer_id, order_by=[rows["at"], rows.id], rows=(None, 0))
    return rows.mutate(session=rows.start.max().over(until_now)).drop("start", "previous_at")
