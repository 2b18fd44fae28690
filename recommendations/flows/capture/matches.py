"""Finds customers who newly match a date or score trigger, by comparing those who match now with those who matched last time."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from psycopg import sql

from config.foundation.shop.profile import get_time_zone
from recommendations.flows.capture.loyalty import build_expiry_condition
from recommendations.flows.models import Flow, FlowVersion

COMPARE_EVERY = timedelta(minutes=10)
# How long before the last comparison a date may have been reached: orders are sent late, and a refresh moves predicted dates. Customers
# who reached it earlier have become known since, for example by an import of old orders, and are not triggered.
LATE_ORDERS = timedelta(days=1)
MOVED_PREDICTIONS = timedelta(days=7)

# One statement compares all customers, whatever their number, and writes only the changes. The first comparison triggers nobody.
COMPARE = sql.SQL("""
WITH member AS MATERIALIZED (
    SELECT p.customer_id FROM lifecycle_customerprofile p WHERE {condition}
), gone AS (
    DELETE FROM flows_flowmatch m
    WHERE m.flow_id = %(flow)s AND NOT EXISTS (SELECT FROM member WHERE member.customer_id = m.customer_id)
), crossed AS (
    INSERT INTO flows_flowmatch (flow_id, customer_id)
    SELECT %(flow)s, member.customer_id FROM member
    WHERE NOT EXISTS (SELECT FROM flows_flowmatch m WHERE m.flow_id = %(flow)s AND m.customer_id = member.customer_id)
    RETURNING customer_id
)
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'match', %(flow)s::text, p.customer_id, '', '', %(now)s, '{{}}' FROM crossed JOIN lifecycle_customerprofile p USING (customer_id)
WHERE %(is_observed)s AND {is_recent} ORDER BY p.customer_id
""")


def compare_due_matches(*, now: datetime, seconds: float | None = None) -> int:
    """Compare the customers of every flow not compared for ten minutes, the least recently compared first; return the number of signals.

    After ``seconds``, no further flow is begun; the next run continues.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    signals = 0
    current = FlowVersion.objects.filter(is_current=True, flow__status=Flow.Status.LIVE).select_related("flow")
    for version in current.order_by(F("flow__matched_at").asc(nulls_first=True), "pk"):
        if deadline is not None and time.monotonic() >= deadline:
            break
        trigger = version.definition["trigger"]
        is_due = version.flow.matched_at is None or version.flow.matched_at <= now - COMPARE_EVERY
        if is_due and is_matched_trigger(trigger):
            signals += compare_matches(flow_id=version.flow_id, trigger=trigger, now=now)
    return signals


def is_matched_trigger(trigger: Mapping[str, Any]) -> bool:
    """Return whether a trigger is found by comparing customers."""
    return trigger["kind"] in ("score", "points_expiring") or (
        trigger["kind"] == "date" and trigger["date"] != "birthday"
    )


def compare_matches(*, flow_id: int, trigger: Mapping[str, Any], now: datetime) -> int:
    """Write a signal for each customer who matches now but did not at the last comparison; return their number."""
    with transaction.atomic():
        flow = Flow.objects.select_for_update().get(pk=flow_id)
        with connection.cursor() as cursor:
            statement = COMPARE.format(
                condition=build_line_condition(trigger, now),
                is_recent=build_recent_condition(trigger, since=flow.matched_at or now),
            )
            cursor.execute(
                statement.as_string(None),
                {"flow": flow_id, "now": now, "is_observed": flow.matched_at is not None},
            )
            crossed = int(cursor.rowcount)
        flow.matched_at = now
        flow.save(update_fields=["matched_at"])
    return crossed


def build_recent_condition(trigger: Mapping[str, Any], *, since: datetime) -> sql.Composable:
    """Return the SQL condition of the customers whose date was reached about when it was compared; true for other triggers."""
    if trigger["kind"] != "date":
        return sql.SQL("true")
    distance = timedelta(days=trigger["days"])
    if trigger["date"] == "last_order":
        return sql.SQL("p.last_order_at > {}").format(sql.Literal(since - distance - LATE_ORDERS))
    day = (since - MOVED_PREDICTIONS).astimezone(get_time_zone()).date() - distance
    return sql.SQL("p.next_order_likely > {}").format(sql.Literal(day))


def build_line_condition(trigger: Mapping[str, Any], now: datetime) -> sql.Composable:
    """Return the SQL condition of the customers who match a trigger."""
    if trigger["kind"] == "score":
        operator = sql.SQL(">") if trigger["direction"] == "above" else sql.SQL("<")
        return sql.SQL("p.{} {} {}").format(sql.Identifier(trigger["score"]), operator, sql.Literal(trigger["value"]))
    if trigger["kind"] == "points_expiring":
        return build_expiry_condition(trigger, now.astimezone(get_time_zone()).date())
    if trigger["date"] == "last_order":
        limit = now - timedelta(days=trigger["days"])
        return sql.SQL("p.last_order_at <= {}").format(sql.Literal(limit))
    day = now.astimezone(get_time_zone()).date() - timedelta(days=trigger["days"])
    return sql.SQL("p.next_order_likely <= {}").format(sql.Literal(day))
