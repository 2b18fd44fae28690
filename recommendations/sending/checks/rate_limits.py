"""Rate limits: emails per minute to a domain, and the growing daily limit of a warm-up.

A delivery beyond a limit gets its own later slot, in which it is sent without being counted again: each delivery is decided at most twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from recommendations.sending.checks.candidates import DueDelivery
from recommendations.sending.models import Delivery
from recommendations.sending.settings_model import SendingSettings

HORIZON = timedelta(seconds=2)  # a delivery whose slot is this near is sent immediately

# One row per scope is locked until the transaction ends, in the order of the scopes.
TAKE_SLOTS = """
INSERT INTO sending_rateslot AS slot (scope, next_at)
SELECT row.scope, %(now)s + row.seconds * interval '1 second' FROM unnest(%(scopes)s::text[], %(seconds)s::float8[]) AS row (scope, seconds)
ORDER BY row.scope
ON CONFLICT (scope) DO UPDATE
SET next_at = GREATEST(slot.next_at, %(now)s) + (EXCLUDED.next_at - %(now)s)
RETURNING scope, next_at
"""


def check_rate_limits(
    candidates: Sequence[DueDelivery], *, settings: SendingSettings, now: datetime, zone: ZoneInfo
) -> None:
    """Postpone emails beyond the warm-up plan and beyond the limits of domains."""
    emails = [candidate for candidate in candidates if candidate.is_open and candidate.channel == "email"]
    check_warm_up(emails, settings=settings, now=now, zone=zone)
    check_domains([candidate for candidate in emails if candidate.is_open], rates=settings.domain_rates, now=now)


def compute_daily_limit(settings: SendingSettings, day: date) -> int | None:
    """Return how many emails the warm-up plan allows on a day; None after its end, and without a plan."""
    if settings.warm_up_from is None:
        return None
    number = (day - settings.warm_up_from).days
    if not 0 <= number < settings.warm_up_days:
        return None
    return int(settings.warm_up_first_day * float(settings.warm_up_growth) ** number)


def check_warm_up(emails: Sequence[DueDelivery], *, settings: SendingSettings, now: datetime, zone: ZoneInfo) -> None:
    """Give each email a day of the warm-up plan: today while there is room, else the next day that has some."""
    waiting = [email for email in emails if not email.reserved & Delivery.WARM_UP_RESERVED]
    day = now.astimezone(zone).date()
    today = day
    while waiting and (limit := compute_daily_limit(settings, day)) is not None:
        number = take_day(day, limit, len(waiting))
        for email in waiting[:number]:
            email.reserved |= Delivery.WARM_UP_RESERVED
            if day != today:
                email.postpone(datetime.combine(day, time(9), tzinfo=zone).astimezone(UTC))
        waiting = waiting[number:]
        day += timedelta(days=1)
    if day != today:  # after the plan
        for email in waiting:
            email.postpone(datetime.combine(day, time(9), tzinfo=zone).astimezone(UTC))


def take_day(day: date, limit: int, wanted: int) -> int:
    """Reserve up to ``wanted`` emails of a day; return how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('sending.warm_up'))")
        cursor.execute("SELECT reserved FROM sending_warmupday WHERE day = %s", [day])
        row = cursor.fetchone()
        number = max(0, min(wanted, limit - (row[0] if row else 0)))
        if number:
            cursor.execute(
                "INSERT INTO sending_warmupday (day, reserved) VALUES (%s, %s) "
                "ON CONFLICT (day) DO UPDATE SET reserved = sending_warmupday.reserved + EXCLUDED.reserved",
                [day, number],
            )
    return number


def check_domains(emails: Sequence[DueDelivery], *, rates: dict[str, int], now: datetime) -> None:
    """Give emails to a limited domain its next free slots. rates: per minute by domain; "*" for each other domain."""
    groups: dict[str, list[DueDelivery]] = defaultdict(list)
    for email in emails:
        domain = email.address.rpartition("@")[2]
        if not email.reserved & Delivery.DOMAIN_RESERVED and (domain in rates or "*" in rates):
            groups[domain].append(email)
    if not groups:
        return
    intervals = {domain: 60.0 / max(rates.get(domain, rates.get("*", 1)), 1) for domain in groups}
    with connection.cursor() as cursor:
        cursor.execute(
            TAKE_SLOTS,
            {
                "now": now,
                "scopes": [f"domain:{domain}" for domain in groups],
                "seconds": [intervals[domain] * len(group) for domain, group in groups.items()],
            },
        )
        ends = {scope.removeprefix("domain:"): next_at for scope, next_at in cursor.fetchall()}
    for domain, group in groups.items():
        first = ends[domain] - timedelta(seconds=intervals[domain] * len(group))
        for number, email in enumerate(group):
            slot = first + timedelta(seconds=intervals[domain] * number)
            email.reserved |= Delivery.DOMAIN_RESERVED
            if slot > now + HORIZON:
                email.postpone(slot)
