"""Finds customers whose birthday it is. Birthdays are encrypted, so they are read once a day, in blocks; a search can be continued."""

import json
import time
from calendar import isleap
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt
from recommendations.flows.models import Flow, FlowDay, FlowVersion

BIRTHDAY = "birthday"
START_DAY = "start_day"  # in the data of a signal: the day at whose beginning the customer is triggered
BLOCK_SIZE = 2_000
INSERT_SIGNALS = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'match', %s, customer_id, '', %s, %s, %s::jsonb FROM unnest(%s::bigint[]) AS row (customer_id)
"""
READ_BIRTHDAYS = "SELECT id, birthday FROM identity_customer WHERE id > %s AND birthday <> '' AND erased_at IS NULL ORDER BY id LIMIT %s"


def find_birthdays(*, now: datetime, seconds: float) -> int:
    """Search for birthdays for every live flow with a birthday trigger, for about ``seconds``; return the number of signals.

    The search is for tomorrow, which has begun for customers east of the shop, and once more for today, for customers who were added
    since. The customers wait in the flow until the day begins in their time zone; what has begun before the flow started does not count.
    """
    deadline = time.monotonic() + seconds
    today = now.astimezone(get_time_zone()).date()
    signals = 0
    versions = FlowVersion.objects.filter(
        is_current=True, flow__status=Flow.Status.LIVE, definition__trigger__kind="date"
    )
    for version in versions.filter(definition__trigger__date=BIRTHDAY):
        distance = timedelta(days=version.definition["trigger"]["days"])
        FlowDay.objects.get_or_create(flow_id=version.flow_id, day=today)
        while time.monotonic() < deadline:
            found = search_block(flow_id=version.flow_id, day=today, distance=distance, now=now)
            if found is None:
                break
            signals += found
    return signals


def search_block(*, flow_id: int, day: date, distance: timedelta, now: datetime) -> int | None:
    """Search the next customers for a birthday this ``distance`` before the day or the next one; return the number of signals.

    None: all customers have been searched.
    """
    with transaction.atomic():
        progress = FlowDay.objects.select_for_update().get(flow_id=flow_id, day=day)
        if progress.is_finished:
            return None
        with connection.cursor() as cursor:
            cursor.execute(READ_BIRTHDAYS, [progress.cursor, BLOCK_SIZE])
            rows = cursor.fetchall()
            born = {customer_id: parse_birthday(token) for customer_id, token in rows}
            signals = 0
            for start in (day, day + timedelta(days=1)):
                celebrated = start - distance
                chosen = [customer_id for customer_id, date_of in born.items() if is_celebrated(date_of, celebrated)]
                signals += len(chosen)
                if chosen:
                    data = json.dumps({START_DAY: start.isoformat()})
                    occurrence = f"birthday:{celebrated:%Y-%m-%d}"
                    cursor.execute(INSERT_SIGNALS, [str(flow_id), occurrence, now, data, chosen])
        progress.is_finished = len(rows) < BLOCK_SIZE
        progress.cursor = rows[-1][0] if rows else progress.cursor
        progress.save(update_fields=["cursor", "is_finished"])
        return signals


def parse_birthday(token: str) -> date | None:
    """Return an encrypted birthday; None if it cannot be read."""
    try:
        return date.fromisoformat(decrypt(token))
    except (UnreadableFieldError, ValueError):
        return None


def is_celebrated(born: date | None, day: date) -> bool:
    """Return whether a birthday is celebrated on a day; 29 February is celebrated on the 28th in non-leap years."""
    if born is None:
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
