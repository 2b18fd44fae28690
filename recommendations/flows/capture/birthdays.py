"""Finds customers whose birthday it is. Birthdays are encrypted, so they are read once a day, in blocks; a search can be continued."""

import time
from calendar import isleap
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from recommendations.flows.models import Flow, FlowDay, FlowVersion

BIRTHDAY = "birthday"
BLOCK_SIZE = 2_000
INSERT_SIGNALS = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'match', %s, customer_id, '', %s, %s, '{}' FROM unnest(%s::bigint[]) AS row (customer_id)
"""
READ_BIRTHDAYS = "SELECT id, birthday FROM identity_customer WHERE id > %s AND birthday <> '' AND erased_at IS NULL ORDER BY id LIMIT %s"


def find_birthdays(*, now: datetime, seconds: float) -> int:
    """Search for today's birthdays for every live flow with a birthday trigger, for about ``seconds``; return the number of signals."""
    deadline = time.monotonic() + seconds
    today = now.astimezone(get_time_zone()).date()
    signals = 0
    versions = FlowVersion.objects.filter(
        is_current=True, flow__status=Flow.Status.LIVE, definition__trigger__kind="date"
    )
    for version in versions.filter(definition__trigger__date=BIRTHDAY):
        celebrated = today - timedelta(days=version.definition["trigger"]["days"])
        FlowDay.objects.get_or_create(flow_id=version.flow_id, day=today)
        while time.monotonic() < deadline:
            found = search_block(flow_id=version.flow_id, day=today, celebrated=celebrated, now=now)
            if found is None:
                break
            signals += found
    return signals


def skip_birthdays(version: FlowVersion, *, now: datetime) -> None:
    """Do not search for the birthdays of this day: they began before the flow was published or resumed. A search that has begun goes on."""
    trigger = version.definition["trigger"]
    if trigger["kind"] == "date" and trigger["date"] == BIRTHDAY:
        today = now.astimezone(get_time_zone()).date()
        FlowDay.objects.get_or_create(flow_id=version.flow_id, day=today, defaults={"is_finished": True})


def search_block(*, flow_id: int, day: date, celebrated: date, now: datetime) -> int | None:
    """Search the next customers; return the number of signals, or None when all customers have been searched."""
    with transaction.atomic():
        progress = FlowDay.objects.select_for_update().get(flow_id=flow_id, day=day)
        if progress.is_finished:
            return None
        with connection.cursor() as cursor:
            cursor.execute(READ_BIRTHDAYS, [progress.cursor, BLOCK_SIZE])
            rows = cursor.fetchall()
            chosen = [customer_id for customer_id, token in rows if is_birthday(token, celebrated)]
            if chosen:
                cursor.execute(INSERT_SIGNALS, [str(flow_id), f"birthday:{celebrated:%Y-%m-%d}", now, chosen])
        progress.is_finished = len(rows) < BLOCK_SIZE
        progress.cursor = rows[-1][0] if rows else progress.cursor
        progress.save(update_fields=["cursor", "is_finished"])
        return len(chosen)


def is_birthday(token: str, day: date) -> bool:
    """Return whether an encrypted birthday is celebrated on a day; 29 February is celebrated on the 28th in non-leap years."""
    try:
        born = date.fromisoformat(decrypt(token))
    except (UnreadableFieldError, ValueError):
        return False
    if (born.month, born.day) == (2, 29) and not isleap(day.year):
        return (day.month, day.day) == (2, 28)
    return (born.month, born.day) == (day.month, day.day)


def read_birthday(customer: Customer) -> date | None:
    """Return the birthday of a customer; None if it is unknown."""
    try:
        return date.fromisoformat(customer.birthday) if customer.birthday else None
    except ValueError:
        return None
