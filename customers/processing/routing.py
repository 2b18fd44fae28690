"""Which events mean something to which room, and what of them the room is told."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from customers.events.event_taxonomy import Meaning, meaning_of
from customers.feedback.review_events import ReviewMessage
from customers.identity.personal_data.encrypted_field import UnreadableFieldError
from customers.identity.personal_data.hashing import hash_email, normalise_email
from customers.identity.personal_data.personal_traits import unseal_personal
from customers.identity.resolution.blocklist import is_blocked_email
from customers.lifecycle.refresh.profile_updates import Activity
from customers.orders.order_events.projection import KIND_OF_MEANING, OrderMessage
from customers.processing.outbox import TakenEvent

logger = logging.getLogger(__name__)

SEALED = "$personal"  # the key under which the collector keeps what is personal, encrypted


def plain(said: dict[str, Any]) -> dict[str, Any]:
    """What was said with its personal part in clear; without it where the key that sealed it is missing."""
    sealed = said.get(SEALED)
    rest = {name: value for name, value in said.items() if name != SEALED}
    if not isinstance(sealed, str):
        return rest
    try:
        return rest | unseal_personal(sealed)
    except (UnreadableFieldError, ValueError) as error:
        logger.warning("The personal part of an event is left out: %s", error)
        return rest


def meant(events: Sequence[TakenEvent]) -> Iterator[tuple[int, TakenEvent, Meaning]]:
    """The events whose properties matter, with their place and their meaning."""
    for place, event in enumerate(events):
        if event.type == "track" and event.properties is not None and (meaning := meaning_of(event.name)) is not None:
            yield place, event, meaning


def order_messages(events: Sequence[TakenEvent]) -> list[OrderMessage]:
    return [
        OrderMessage(
            place=place,
            source_id=event.source_id,
            message_id=event.message_id,
            meaning=meaning,
            name=event.name,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            user_id=event.user_id,
            anonymous_id=event.anonymous_id,
            guest_email_hash="" if event.user_id else email_hash_of(event.said),
            properties=event.said,
        )
        for place, event, meaning in meant(events)
        if meaning in KIND_OF_MEANING
    ]


def review_messages(events: Sequence[TakenEvent], customer_ids: Sequence[int | None]) -> list[ReviewMessage]:
    return [
        ReviewMessage(
            place=place,
            source=event.source,
            message_id=event.message_id,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            customer_id=customer_ids[place],
            properties=event.said,
        )
        for place, event, meaning in meant(events)
        if meaning == Meaning.REVIEW
    ]


def email_hash_of(said: dict[str, Any]) -> str:
    """The keyed hash of the address that an event names; empty without one."""
    email = plain(said).get("email") if SEALED in said or "email" in said else None
    if not isinstance(email, str) or is_blocked_email(address := normalise_email(email)):
        return ""
    return hash_email(address)


def activity_of(events: Sequence[TakenEvent], customer_ids: Sequence[int | None]) -> dict[int, Activity]:
    """What the events add to the counters of those who are known."""
    found: dict[int, Activity] = {}
    for event, customer_id in zip(events, customer_ids, strict=True):
        if customer_id is None:
            continue
        one = found.get(customer_id)
        if one is None:
            one = found[customer_id] = Activity(0, event.occurred_at, set())
        one.events += 1
        one.last_event_at = max(one.last_event_at, event.occurred_at)
        if event.session_id:
            one.sessions.add(event.session_id)
        one.identified |= bool(event.user_id) or event.type == "identify"
    return found
