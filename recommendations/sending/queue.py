"""The queue of messages: adds deliveries in one statement, and pauses, resumes, cancels and counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from customers.identity.models import Customer
from recommendations.measurement.assignment import build_bucket_expression, count_holdout_buckets
from recommendations.sending.changes import announce, begin_announcing
from recommendations.sending.models import Delivery, OriginState

State = OriginState.State
UPDATE_ROWS = 20_000  # deliveries updated by one statement when the state of their origin changes

INSERT_AUDIENCE = """
INSERT INTO sending_delivery
    (origin_kind, origin_id, customer_id, template_version_id, channel, due_at, expires_at, priority, is_transactional,
     status, skip_reason, is_paused, test_part)
SELECT %s, %s, audience.id, {version}, %s, %s, %s, %s, %s,
       CASE WHEN audience.bucket < %s THEN 'skipped' ELSE 'pending' END,
       CASE WHEN audience.bucket < %s THEN 'holdout' ELSE '' END,
       {is_paused}, {test_part}
FROM ({audience}) AS audience ({columns})
ON CONFLICT (origin_kind, origin_id, customer_id) DO NOTHING
"""
# The template version of the earliest exposure, as in the results; the control's version if the variant has none of its own.
VARIANT_VERSION = """coalesce((
    SELECT (%s::bigint[])[array_position(%s::bigint[], exposure.variant_id)] FROM experiments_experimentexposure exposure
    WHERE exposure.experiment_id = %s AND exposure.customer_id = audience.id ORDER BY exposure.exposed_at, exposure.id LIMIT 1
), %s)"""
# Of the customers below the share, those of the upper half get message B. The others wait: paused, so that the sender does not read them.
TEST_VERSION = "CASE WHEN audience.test_bucket >= {half} AND audience.test_bucket < {end} THEN %s ELSE %s END"
TEST_IS_PAUSED = "{is_paused} OR (audience.bucket >= {held_out} AND audience.test_bucket >= {end})"
TEST_PART = """
CASE WHEN audience.bucket < {held_out} THEN '' WHEN audience.test_bucket < {end} THEN 'test' ELSE 'waiting' END
"""
RELEASE_WAITING = """
UPDATE sending_delivery d
SET template_version_id = %(version)s, due_at = {due_at}, test_part = 'rest', is_paused = false
{zones}
WHERE d.origin_kind = %(kind)s AND d.origin_id = %(id)s AND d.status = 'pending' AND d.test_part = 'waiting' {same_zone}
"""
ZONES = """
FROM identity_customer c
JOIN unnest(%(traits)s::text[], %(countries)s::text[], %(due)s::timestamptz[]) AS zone (trait, country, due_at)
  ON zone.trait = coalesce(c.traits ->> 'time_zone', c.traits ->> 'timezone', '') AND zone.country = c.country
"""
LIST_WAITING_ZONES = """
SELECT coalesce(c.traits ->> 'time_zone', c.traits ->> 'timezone', ''), c.country
FROM sending_delivery d JOIN identity_customer c ON c.id = d.customer_id
WHERE d.origin_kind = %s AND d.origin_id = %s AND d.status = 'pending' AND d.test_part = 'waiting' GROUP BY 1, 2
"""
INSERT_MESSAGES = """
INSERT INTO sending_delivery
    (origin_kind, origin_id, customer_id, template_version_id, channel, due_at, expires_at, priority, is_transactional, event)
SELECT row.* FROM unnest(
    %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::smallint[],
    %s::boolean[], %s::jsonb[]
) AS row
ON CONFLICT (origin_kind, origin_id, customer_id) DO NOTHING
"""
# FOR UPDATE: a delivery that a worker has claimed meanwhile is being sent and must not be canceled.
UPDATE_ORIGIN = """
UPDATE sending_delivery SET {changes}
WHERE id IN (
    SELECT id FROM sending_delivery
    WHERE origin_kind = %(kind)s AND origin_id = %(id)s AND status = 'pending' AND {condition}
    LIMIT %(rows)s FOR UPDATE
)
RETURNING id
"""
CHANGES = {
    State.PAUSED: ("is_paused = true", "NOT is_paused"),
    State.RESUMING: ("is_paused = false", "is_paused AND test_part <> 'waiting'"),
    State.CANCELED: ("status = 'canceled', skip_reason = 'canceled'", "true"),
}
COUNT_DELIVERIES = """
SELECT origin_id, status, skip_reason, count(*), count(opened_at), count(machine_opened_at), count(clicked_at),
       count(unsubscribed_at), count(complained_at), count(sent_at), count(delivered_at),
       count(machine_opened_at) FILTER (WHERE opened_at IS NULL)
FROM sending_delivery WHERE origin_kind = %s AND origin_id = ANY(%s)
GROUP BY origin_id, status, skip_reason
"""
FIND_UNFINISHED = """
SELECT o.id FROM unnest(%s::bigint[]) AS o (id)
WHERE EXISTS (
    SELECT FROM sending_delivery d WHERE d.origin_kind = %s AND d.origin_id = o.id AND d.status IN ('pending', 'sending')
)
"""
# The columns of COUNT_DELIVERIES after the number of deliveries, in this order.
FEEDBACK_COUNTS = (
    "opened",
    "machine_opened",
    "clicked",
    "unsubscribed",
    "complained",
    "sent",
    "delivered",
    "machine_only",
)


@dataclass(frozen=True)
class Holdout:
    """The holdout group of an audience: customers whose bucket for the salt is below the share."""

    salt: str
    share: Decimal


@dataclass(frozen=True)
class MessageVariants:
    """The messages that an experiment compares: the template versions by variant ID, without the control's."""

    experiment_id: int
    versions: Mapping[int, int]


@dataclass(frozen=True)
class MessageTest:
    """An A/B test: of the customers whose bucket for the salt is below the share, half get this version, the others wait for the winner."""

    salt: str
    share: Decimal
    version_id: int


@dataclass(frozen=True, kw_only=True)
class QueuedMessage:
    """One message to one customer. event: the event that triggered it, for the variables of the template."""

    origin_kind: str
    origin_id: int
    customer_id: int
    template_version_id: int
    channel: str
    due_at: datetime
    expires_at: datetime | None = None
    priority: int = 0
    is_transactional: bool = False
    event: dict[str, Any] = field(default_factory=dict)


def queue_audience(
    *,
    origin_kind: str,
    origin_id: int,
    customers: QuerySet[Customer],
    template_version_id: int,
    channel: str,
    due_at: datetime,
    expires_at: datetime | None = None,
    priority: int = 0,
    is_transactional: bool = False,
    holdout: Holdout | None = None,
    variants: MessageVariants | None = None,
    test: MessageTest | None = None,
) -> int:
    """Queue a message to every customer of a query set, in one statement; return how many deliveries are new.

    Customers of the holdout group get a skipped delivery; customers who are exposed to a variant get its message. A customer who already
    has a delivery of the origin gets no second one, so that an interrupted call can be repeated. With a test, see `release_waiting`.
    """
    audience = customers.order_by().annotate(bucket=build_bucket_expression(salt=holdout.salt if holdout else ""))
    columns = ["pk", "bucket"]
    if test is not None:
        audience = audience.annotate(test_bucket=build_bucket_expression(salt=test.salt))
        columns.append("test_bucket")
    try:
        sql, parameters = audience.values_list(*columns).query.sql_with_params()
    except EmptyResultSet:
        return 0
    buckets = count_holdout_buckets(holdout.share) if holdout else 0
    is_paused = OriginState.objects.filter(origin_kind=origin_kind, origin_id=origin_id, state=State.PAUSED).exists()
    version, versions = build_version(template_version_id, variants, test)
    statement = INSERT_AUDIENCE.format(
        audience=sql,
        columns=", ".join(["id", *columns[1:]]),
        version=version,
        **build_test_columns(test, held_out=buckets, is_paused="true" if is_paused else "false"),
    )
    values = (origin_kind, origin_id, *versions, channel, due_at, expires_at, priority, is_transactional)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, buckets, buckets, *parameters])
        return int(cursor.rowcount)


def build_version(
    template_version_id: int, variants: MessageVariants | None, test: MessageTest | None
) -> tuple[str, list[Any]]:
    """Return the expression of the version that a customer of the audience gets, and its parameters."""
    if test is not None:
        end = count_holdout_buckets(test.share)
        return TEST_VERSION.format(half=end // 2, end=end), [test.version_id, template_version_id]
    if variants is not None:
        numbers = list(variants.versions)
        return VARIANT_VERSION, [list(variants.versions.values()), numbers, variants.experiment_id, template_version_id]
    return "%s", [template_version_id]


def build_test_columns(test: MessageTest | None, *, held_out: int, is_paused: str) -> dict[str, str]:
    """Return the expressions of the columns by which customers wait for the winner of a test."""
    if test is None:
        return {"is_paused": is_paused, "test_part": "''"}
    values = {"held_out": held_out, "end": count_holdout_buckets(test.share), "is_paused": is_paused}
    return {"is_paused": TEST_IS_PAUSED.format(**values), "test_part": TEST_PART.format(**values)}


def list_waiting_zones(origin_kind: str, origin_id: int) -> list[tuple[str, str]]:
    """Return the time zone traits and countries of the customers who wait for the winner of a test."""
    with connection.cursor() as cursor:
        cursor.execute(LIST_WAITING_ZONES, [origin_kind, origin_id])
        return cursor.fetchall()


def release_waiting(
    origin_kind: str,
    origin_id: int,
    *,
    template_version_id: int,
    due_at: datetime,
    due_by_zone: Mapping[tuple[str, str], datetime],
) -> int:
    """Queue the winner of a test for the customers who wait for it, in the caller's transaction; return how many they are.

    due_by_zone: when it is due by time zone trait and country, for messages at local times; everyone else gets it at ``due_at``.
    """
    values: dict[str, Any] = {"kind": origin_kind, "id": origin_id, "version": template_version_id, "due_at": due_at}
    released = 0
    with connection.cursor() as cursor:
        if due_by_zone:
            traits, countries = map(list, zip(*due_by_zone, strict=True))
            zones = {"traits": traits, "countries": countries, "due": list(due_by_zone.values())}
            same_zone = "AND c.id = d.customer_id"
            cursor.execute(
                RELEASE_WAITING.format(due_at="zone.due_at", zones=ZONES, same_zone=same_zone), values | zones
            )
            released = cursor.rowcount
        # also those whose customer no longer exists: the sender finds whom they were merged into, or skips them
        cursor.execute(RELEASE_WAITING.format(due_at="%(due_at)s", zones="", same_zone=""), values)
        return released + int(cursor.rowcount)


def queue_messages(messages: Sequence[QueuedMessage]) -> int:
    """Queue messages in one statement, in the caller's transaction; return how many are new."""
    if not messages:
        return 0
    columns: list[Any] = [
        [message.origin_kind for message in messages],
        [message.origin_id for message in messages],
        [message.customer_id for message in messages],
        [message.template_version_id for message in messages],
        [message.channel for message in messages],
        [message.due_at for message in messages],
        [message.expires_at for message in messages],
        [message.priority for message in messages],
        [message.is_transactional for message in messages],
        [msgspec.json.encode(message.event).decode() for message in messages],
    ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_MESSAGES, columns)
        return int(cursor.rowcount)


def pause(origin_kind: str, origin_id: int) -> None:
    """Stop sending for an origin immediately; pending messages wait for `resume`."""
    set_origin_state(origin_kind, origin_id, State.PAUSED)


def resume(origin_kind: str, origin_id: int) -> None:
    """Continue to send for a paused origin."""
    set_origin_state(origin_kind, origin_id, State.RESUMING)


def cancel(origin_kind: str, origin_id: int) -> None:
    """Stop sending for an origin immediately and for good."""
    set_origin_state(origin_kind, origin_id, State.CANCELED)


def set_origin_state(origin_kind: str, origin_id: int, state: str) -> None:
    """Record the state, which the sender obeys immediately, and update the first deliveries; the sender updates the rest."""
    with transaction.atomic():
        origin = OriginState.objects.select_for_update().filter(origin_kind=origin_kind, origin_id=origin_id).first()
        origin = origin or OriginState(origin_kind=origin_kind, origin_id=origin_id)
        if origin.state == State.CANCELED:
            return
        origin.state, origin.is_applied, origin.changed_at = state, False, timezone.now()
        origin.save()
    apply_origin_state(origin)


def apply_origin_state(origin: OriginState) -> bool:
    """Update up to ``UPDATE_ROWS`` deliveries; return whether no others are left to update, which is recorded.

    A canceled origin stays open while some of its messages are being sent: one that returns to the queue is canceled by the next call.
    """
    changes, condition = CHANGES[State(origin.state)]
    values: dict[str, Any] = {"kind": origin.origin_kind, "id": origin.origin_id, "rows": UPDATE_ROWS}
    with begin_announcing(), connection.cursor() as cursor:
        cursor.execute(UPDATE_ORIGIN.format(changes=changes, condition=condition), values)
        ids = [row[0] for row in cursor.fetchall()]
        if origin.state == State.CANCELED:
            announce([(delivery_id, "canceled") for delivery_id in ids], at=timezone.now())
    is_updated = len(ids) < UPDATE_ROWS
    if is_updated and not (origin.state == State.CANCELED and is_sending(origin)):
        unchanged = OriginState.objects.filter(pk=origin.pk, state=origin.state, changed_at=origin.changed_at)
        if origin.state == State.RESUMING:
            unchanged.delete()
        else:
            unchanged.update(is_applied=True)
    return is_updated


def is_sending(origin: OriginState) -> bool:
    """Return whether messages of an origin are being sent; few messages are at any time, and they have an index."""
    sending = Delivery.objects.filter(status=Delivery.Status.SENDING)
    return sending.filter(origin_kind=origin.origin_kind, origin_id=origin.origin_id).exists()


def apply_origin_states() -> None:
    """Continue with the deliveries of origins whose state changed."""
    for origin in OriginState.objects.filter(is_applied=False):
        while not apply_origin_state(origin):
            pass


def send_again(delivery_id: int, *, now: datetime) -> bool:
    """Queue a failed or uncertain delivery again, because a user asks for it; return whether it was queued.

    Nothing of a canceled origin is sent again.
    """
    problems = Delivery.objects.filter(
        ~Exists(query_cancellation(OuterRef("origin_kind"), OuterRef("origin_id"))),
        pk=delivery_id,
        status__in=(Delivery.Status.FAILED, Delivery.Status.UNCERTAIN),
    )
    return bool(problems.update(status=Delivery.Status.PENDING, due_at=now, attempts=0, error="", claimed_at=None))


def query_cancellation(origin_kind: str | OuterRef, origin_id: int | OuterRef) -> QuerySet[OriginState]:
    """Query the state of an origin if it is canceled."""
    return OriginState.objects.filter(origin_kind=origin_kind, origin_id=origin_id, state=State.CANCELED)


@dataclass
class DeliveryCounts:
    """The deliveries of an origin: by status, skips by reason, and how many had which feedback.

    machine_opened: also those that a person opened too; machine_only: without these.
    """

    by_status: dict[str, int] = field(default_factory=dict)
    by_skip_reason: dict[str, int] = field(default_factory=dict)
    total: int = 0
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    machine_opened: int = 0
    clicked: int = 0
    unsubscribed: int = 0
    complained: int = 0
    machine_only: int = 0

    @property
    def waiting(self) -> int:
        """Return how many are pending or being sent."""
        return self.by_status.get(Delivery.Status.PENDING, 0) + self.by_status.get(Delivery.Status.SENDING, 0)


def find_unfinished_origins(origin_kind: str, origin_ids: Sequence[int]) -> set[int]:
    """Return the origins with a delivery that is waiting or being sent, without counting them."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_UNFINISHED, [list(origin_ids), origin_kind])
        return {origin_id for (origin_id,) in cursor.fetchall()}


def count_deliveries(origin_kind: str, origin_ids: Sequence[int]) -> dict[int, DeliveryCounts]:
    """Return the counts of each origin; one without deliveries has zeros."""
    counts = {origin_id: DeliveryCounts() for origin_id in origin_ids}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_DELIVERIES, [origin_kind, list(origin_ids)])
        rows = cursor.fetchall()
    for origin_id, status, reason, number, *feedback in rows:
        entry = counts[origin_id]
        entry.total += number
        entry.by_status[status] = entry.by_status.get(status, 0) + number
        if status == Delivery.Status.SKIPPED:
            entry.by_skip_reason[reason] = entry.by_skip_reason.get(reason, 0) + number
        for name, value in zip(FEEDBACK_COUNTS, feedback, strict=True):
            setattr(entry, name, getattr(entry, name) + value)
    return counts
