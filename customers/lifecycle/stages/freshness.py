"""Detects whether orders of the whole shop are missing, in which case the passing of time changes no stage."""

from datetime import datetime, timedelta

from config.foundation.array_types import NEVER
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.stages.rules import get_active_rules
from customers.orders.models import Order


def find_missing_data_since(*, as_of: datetime) -> datetime | None:
    """Return since when an order has been overdue by the active rules; None if orders are as recent as usual.

    Orders of guests count too: they show that orders arrive.
    """
    rules = get_active_rules()
    if rules is None or rules.order_gap_days is None:
        return None
    orders = Order.objects.filter(kind=Order.Kind.SALE, placed_at__lt=as_of).exclude(status=Order.Status.CANCELLED)
    latest = orders.order_by("-placed_at").values_list("placed_at", flat=True).first()
    if latest is None:
        return None
    overdue_at: datetime = latest + timedelta(days=rules.order_gap_days)
    return overdue_at if overdue_at < as_of else None


def find_time_limit(*, as_of: datetime) -> int:
    """Return the moment after which time changes no stage, in microseconds; `NEVER` while orders arrive."""
    missing_since = find_missing_data_since(as_of=as_of)
    return NEVER if missing_since is None else to_microseconds(missing_since)
