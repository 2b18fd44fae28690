"""Routes events: builds the messages that orders, reviews and profiles receive."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.events.personal_parts import PERSONAL_PART, merge_personal_parts
from customers.feedback.review_events import ReviewMessage
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.hashing import hash_email, normalize_email
from customers.identity.personal_data.personal_traits import unseal_personal
from customers.identity.resolution.blocklist import is_blocked_email
from customers.lifecycle.refresh.profile_updates import CustomerActivity
from customers.orders.order_events.projection import TYPE_OF_MEANING, OrderMessage
from customers.processing.outbox import OutboxEvent
from customers.segments.event_counts.counting import CountedEvent
from customers.segments.event_counts.meanings import COUNTED_NAMES

logger = logging.getLogger(__name__)


def unseal_properties(properties: dict[str, Any]) -> dict[str, Any]:
    """Return properties with their personal part decrypted, or without it if there is no key."""
    if PERSONAL_PART not in properties:
        return properties
    sealed = properties[PERSONAL_PART]
    try:
        personal = unseal_personal(sealed) if isinstance(sealed, str) else {}
    except (UnreadableFieldError, ValueError) as error:
        logger.warning("The personal part of an event is ignored: %s", error)
        personal = {}
    return merge_personal_parts(properties, personal)


def select_events_with_meaning(events: Sequence[OutboxEvent]) -> Iterator[tuple[int, OutboxEvent, Meaning]]:
    """Yield the events whose properties are needed, with their positions and meanings."""
    for position, event in enumerate(events):
        if (
            event.type == "track"
            and event.properties is not None
            and (meaning := lookup_meaning(event.name)) is not None
        ):
            yield position, event, meaning


def build_order_messages(events: Sequence[OutboxEvent]) -> list[OrderMessage]:
    return [
        OrderMessage(
            position=position,
            source_id=event.source_id,
            message_id=event.message_id,
            meaning=meaning,
            name=event.name,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            user_id=event.user_id,
            anonymous_id=event.anonymous_id,
            guest_email_hash="" if event.user_id else hash_event_email(event.parsed_properties),
            properties=unseal_properties(event.parsed_properties),
        )
        for position, event, meaning in select_events_with_meaning(events)
        if meaning in TYPE_OF_MEANING and event.is_trusted
    ]


def build_review_messages(events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]) -> list[ReviewMessage]:
    return [
        ReviewMessage(
            position=position,
            source=event.source,
            message_id=event.message_id,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            customer_id=customer_ids[position],
            author="" if event.is_trusted else event.user_id or event.anonymous_id,
            properties=unseal_properties(event.parsed_properties),
        )
        for position, event, meaning in select_events_with_meaning(events)
        if meaning == Meaning.REVIEW and (event.is_verified or not event.user_id)
    ]


def hash_event_email(properties: dict[str, Any]) -> str:
    """Return the keyed hash of the email address in an event's properties.

    Empty without a usable one.
    """
    email = unseal_properties(properties).get("email")
    if not isinstance(email, str) or is_blocked_email(address := normalize_email(email)):
        return ""
    return hash_email(address)


def summarize_activity(
    events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]
) -> dict[int, CustomerActivity]:
    """Return what the events add to the counters of each customer."""
    activities: dict[int, CustomerActivity] = {}
    for event, customer_id in zip(events, customer_ids, strict=True):
        if customer_id is None:
            continue
        happened_at = min(event.occurred_at, event.received_at)  # the clock of a sender may be ahead
        activity = activities.get(customer_id)
        if activity is None:
            activity = activities[customer_id] = CustomerActivity(0, happened_at, set())
        activity.events += 1
        activity.last_event_at = max(activity.last_event_at, happened_at)
        if event.session_id:
            activity.sessions.add(event.session_id)
        activity.has_user |= bool(event.user_id) or event.type == "identify"
    return activities


def select_counted_events(events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]) -> list[CountedEvent]:
    """Return the events of customers that conditions of segments can compare."""
    return [
        CountedEvent(event.id, customer_id, meaning, min(event.occurred_at, event.received_at))
        for event, customer_id in zip(events, customer_ids, strict=True)
        if customer_id is not None
        and event.type == "track"
        and (meaning := COUNTED_NAMES.get(event.name.strip().casefold())) is not None
    ]
