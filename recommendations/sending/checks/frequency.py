"""Frequency caps in rolling windows, counted under a lock per customer, so that workers cannot exceed them together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.checks.candidates import DueDelivery

LOCK_CLASS = 0x53454E44  # "SEND", so that other advisory locks differ

# In the order of the locks' numbers, so that two workers never wait for each other.
LOCK_CUSTOMERS = """
SELECT pg_advisory_xact_lock(%s, number)
FROM (SELECT DISTINCT hashint8(id) AS number FROM unnest(%s::bigint[]) AS customer (id) ORDER BY 1 OFFSET 0) AS ordered
"""
COUNT_RECENT = """
SELECT customer_id, channel, claimed_at FROM sending_delivery
WHERE customer_id = ANY(%s) AND claimed_at > %s AND claimed_at IS NOT NULL AND NOT is_transactional
"""


@dataclass(frozen=True)
class FrequencyCap:
    """At most ``messages`` within any ``days`` days, on one channel or, with "", on all channels together."""

    channel: str
    messages: int
    days: int

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.days)


def read_caps(stored: Sequence[Mapping[str, Any]]) -> list[FrequencyCap]:
    return [FrequencyCap(str(cap["channel"]), int(cap["messages"]), int(cap["days"])) for cap in stored]


def check_frequency(
    candidates: Sequence[DueDelivery], *, caps: Sequence[FrequencyCap], now: datetime, zone: ZoneInfo
) -> None:
    """Skip candidates beyond a cap of the settings or a limit of the provider. Transactional messages are exempt and do not count.

    The locks last until the transaction ends, in which the caller writes the decisions: until then no other worker counts these customers.
    """
    affected = [candidate for candidate in candidates if candidate.is_open and not candidate.is_transactional]
    limits = {key: limit for key in {c.channel for c in affected} if (limit := CHANNELS[key].contact_limit)}
    if not affected or not (caps or limits):
        return
    local_now = now.astimezone(zone)
    starts = {key: limit.find_start(local_now) for key, limit in limits.items()}
    customer_ids = sorted({candidate.customer_id for candidate in affected})
    since = min([*(now - cap.window for cap in caps), *starts.values()])
    sent: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(LOCK_CUSTOMERS, [LOCK_CLASS, customer_ids])
        cursor.execute(COUNT_RECENT, [customer_ids, since])
        for customer_id, channel, at in cursor.fetchall():
            sent[customer_id].append((channel, at))
    for candidate in affected:
        messages = sent[candidate.customer_id]
        limit = limits.get(candidate.channel)
        is_full = limit is not None and limit.count_messages(local_now) <= sum(
            1 for channel, at in messages if channel == candidate.channel and at >= starts[channel]
        )
        if is_full or any(is_reached(cap, candidate.channel, messages, now) for cap in caps):
            candidate.skip("frequency_cap")
        else:
            messages.append((candidate.channel, now))


def is_reached(cap: FrequencyCap, channel: str, messages: Sequence[tuple[str, datetime]], now: datetime) -> bool:
    """Return whether one more message of a channel would exceed the cap."""
    if cap.channel and cap.channel != channel:
        return False
    since = now - cap.window
    return sum(1 for other, at in messages if at > since and cap.channel in ("", other)) >= cap.messages
