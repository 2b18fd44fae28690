"""Counts opens and clicks by people as the events "Email Opened", "Email Link Clicked" etc. in segments and profiles, and reports them to flows.

A message counts once as opened and once as clicked, so that the counts of a recount, which reads the deliveries, are the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from customers.events.event_taxonomy import Meaning
from customers.lifecycle.portrait.responses import (
    CLICKED,
    MEASURED_STEPS,
    OPENED,
    SENT,
    ChannelResponses,
    ResponseChannel,
)
from customers.segments.changed_customers import note_changed_customers
from customers.segments.event_counts.counting import add_facts, lock_counts, recount_events
from customers.segments.models import PendingEventCount
from recommendations.sending.models import Delivery, DeliveryEvent, OriginKind
from recommendations.sending.tracking.signals import MessageReaction, reactions_stored

type Reaction = tuple[str, int, str, datetime, str]  # key, delivery, kind, time, URL

Kind = DeliveryEvent.Kind
# Text messages and push notifications have no image that is loaded when someone opens them; opening a push notification is a click.
MEANINGS: Mapping[tuple[str, str], Meaning] = {
    ("email", Kind.OPEN): Meaning.EMAIL_OPENED,
    ("email", Kind.CLICK): Meaning.EMAIL_CLICKED,
    ("sms", Kind.CLICK): Meaning.SMS_CLICKED,
    ("push", Kind.CLICK): Meaning.PUSH_TAPPED,
}
RESPONSE_CHANNELS = (ResponseChannel.EMAIL, ResponseChannel.PUSH, ResponseChannel.SMS)
MEANING_ROWS = sql.SQL(", ").join(
    sql.SQL("({}, {}, {})").format(sql.Literal(channel), sql.Literal(str(kind)), sql.Literal(str(meaning)))
    for (channel, kind), meaning in MEANINGS.items()
)
READ_FACTS = sql.SQL("""
    SELECT d.id, d.customer_id, m.meaning, CASE m.kind WHEN 'open' THEN d.opened_at ELSE d.clicked_at END, '{{}}'::text[]
    FROM sending_delivery d
    JOIN identity_customer c ON c.id = d.customer_id AND c.erased_at IS NULL
    JOIN (VALUES {meanings}) AS m (channel, kind, meaning) ON m.channel = d.channel
    WHERE d.customer_id = ANY(%(customers)s::bigint[]) AND d.origin_kind <> 'test'
      AND CASE m.kind WHEN 'open' THEN d.opened_at ELSE d.clicked_at END IS NOT NULL
""").format(meanings=MEANING_ROWS)
READ_RESPONSES = """
SELECT channel, count(*), max(sent_at), count(opened_at) FILTER (WHERE opened_at < %(as_of)s),
       max(opened_at) FILTER (WHERE opened_at < %(as_of)s), count(clicked_at) FILTER (WHERE clicked_at < %(as_of)s),
       max(clicked_at) FILTER (WHERE clicked_at < %(as_of)s)
FROM sending_delivery
WHERE customer_id = %(customer)s AND sent_at < %(as_of)s AND bounced_at IS NULL AND origin_kind <> 'test'
GROUP BY channel
"""
# SKIP LOCKED, because customers are locked in any order while events are processed
LOCK_CUSTOMERS = """
SELECT id FROM identity_customer WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL ORDER BY id FOR SHARE SKIP LOCKED
"""


REQUEST_RECOUNT = """
INSERT INTO segments_pendingeventcount (customer_id)
SELECT DISTINCT d.customer_id FROM sending_delivery d JOIN identity_customer c ON c.id = d.customer_id
WHERE d.opened_at IS NOT NULL ON CONFLICT DO NOTHING
"""


class FirstReactions(NamedTuple):
    """A delivery after an update; opened_at and clicked_at: only if it was not opened or clicked before."""

    delivery_id: int
    customer_id: int
    channel: str
    is_test: bool
    opened_at: datetime | None
    clicked_at: datetime | None


def prepare_counts(delivery_ids: Iterable[int]) -> set[int]:
    """Lock the counts, and the customers of deliveries, before the deliveries are updated; return the locked customers.

    The others, who are being changed or merged at the moment, are counted again afterwards.
    """
    deliveries = Delivery.objects.filter(pk__in=set(delivery_ids)).exclude(origin_kind=OriginKind.TEST)
    customer_ids = set(deliveries.values_list("customer_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(LOCK_CUSTOMERS, [format_bigint_list(sorted(customer_ids))])
        locked = {customer_id for (customer_id,) in cursor.fetchall()}
    PendingEventCount.objects.bulk_create(
        [PendingEventCount(customer_id) for customer_id in sorted(customer_ids - locked)], ignore_conflicts=True
    )
    lock_counts()  # before the deliveries: a merge counts the events first, and then moves the deliveries
    return locked


def count_reactions(first: Sequence[FirstReactions], *, customer_ids: set[int]) -> None:
    """Add the first open and the first click of messages to the counts of those customers who were locked."""
    facts = [
        (row.delivery_id, row.customer_id, str(meaning), at, ())
        for row in first
        if row.customer_id in customer_ids and not row.is_test
        for kind, at in ((Kind.OPEN, row.opened_at), (Kind.CLICK, row.clicked_at))
        if at is not None and (meaning := MEANINGS.get((row.channel, kind))) is not None
    ]
    if facts:
        add_facts(facts)
        note_changed_customers(customer_id for _delivery, customer_id, *_rest in facts)


def report_reactions(reactions: Iterable[Reaction], deliveries: Sequence[FirstReactions]) -> None:
    """Send opens and clicks by people to the receivers of `reactions_stored`; a click is also an open."""
    by_id = {row.delivery_id: row for row in deliveries if not row.is_test}
    reported = {
        reaction.key: reaction
        for key, delivery_id, kind, at, url in reactions
        if delivery_id in by_id
        for reaction in list_reactions(by_id[delivery_id], key, kind, at, url)
    }
    if reported:
        reactions_stored.send(sender=Delivery, reactions=list(reported.values()))


def list_reactions(delivery: FirstReactions, key: str, kind: str, at: datetime, url: str) -> Iterator[MessageReaction]:
    if (
        kind == Kind.CLICK
        and delivery.opened_at is not None
        and (meaning := MEANINGS.get((delivery.channel, Kind.OPEN)))
    ):
        yield MessageReaction(f"{key}:open", delivery.customer_id, meaning, at)
    if meaning := MEANINGS.get((delivery.channel, kind)):
        yield MessageReaction(key, delivery.customer_id, meaning, at, url)


def recount_moved(customer_ids: Mapping[int, Sequence[int]]) -> None:
    """Count the events again of the customers of deliveries that were moved. customer_ids: by delivery; those not opened do not matter."""
    opened = Delivery.objects.filter(pk__in=list(customer_ids), opened_at__isnull=False).values_list("pk", flat=True)
    recount_events({customer_id for delivery_id in opened for customer_id in customer_ids[delivery_id]})


def request_reaction_counts() -> None:
    """Schedule a recount for all customers who opened a message, after deliveries were written without `store_events`."""
    with connection.cursor() as cursor:
        cursor.execute(REQUEST_RECOUNT)


def count_customer_responses(*, customer_id: int, as_of: datetime, **_kwargs: Any) -> list[ChannelResponses]:
    """Return how many messages a customer got, opened and clicked, by channel. Receiver of ``channel_responses_requested``."""
    with connection.cursor() as cursor:
        cursor.execute(READ_RESPONSES, {"customer": customer_id, "as_of": as_of})
        rows = cursor.fetchall()
    return [
        ChannelResponses(channel, step, number, last_at)
        for channel, sent, sent_at, opened, opened_at, clicked, clicked_at in rows
        if channel in RESPONSE_CHANNELS
        for step, number, last_at in (
            (SENT, sent, sent_at),
            (OPENED, opened, opened_at),
            (CLICKED, clicked, clicked_at),
        )
        if number and step in MEASURED_STEPS[ResponseChannel(channel)]
    ]
