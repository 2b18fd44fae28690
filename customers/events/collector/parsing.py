"""Turns decoded items into rows for the database; an unusable item is rejected alone, with its reason.

`properties` of track, page and screen calls and `traits` of identify and group calls become `properties`; `groupId` becomes the
name; `previousId` of alias and `category` of page and screen calls are added to `properties`. Personal data is moved into one
encrypted text, `properties.$personal`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from config.foundation.agents.recognition import AgentClaim
from customers.events.collector.agent_marks import NO_AGENT, AgentMark, mark_agent
from customers.events.collector.consent import (
    NO_PURPOSES,
    is_consent_event,
    read_denied_purposes,
    read_granted_purposes,
)
from customers.events.collector.fields import (
    MAX_RECOMMENDATION_ID,
    MAX_SESSION_ID,
    compute_occurred_at,
    read_currency,
    read_message_id,
    read_name,
    read_object,
    read_person_id,
    read_product_ids,
    read_short_text,
    read_value,
)
from customers.events.collector.items import EventItem, ItemError, abbreviate
from customers.events.event_taxonomy import ORDER_MEANINGS, RECENT_MEANINGS, Meaning, lookup_meaning
from customers.events.models import Event
from customers.events.personal_parts import PERSONAL_PART, encode_sealed
from customers.events.sources.sandbox_checks import NO_PROBLEM, Problem, find_order_problem
from customers.events.sources.user_tokens import is_valid_user_token
from customers.identity.models import Consent

EVENT_TYPES = frozenset(Event.Type.values)
PERSON_KEYS = frozenset(
    {PERSONAL_PART, "previousId", "session_id", "sessionId", "user_id", "userId", "anonymous_id", "anonymousId"}
)
ANONYMIZED_CONTEXT = ("library", "consent", "consentManagement")
ANALYTICS = Consent.Purpose.ANALYTICS
BOTH_PURPOSES = frozenset({ANALYTICS, Consent.Purpose.PERSONALISATION})

UNVERIFIED_USER_ID = "userId needs a valid user token in context.userToken, because the source is a browser or app; see docs/security.md."
# what is stored of an event that claims more than its source may
ITEM_WARNINGS = {
    "erased_person": (
        "The person was erased. The event is counted without its ids; a privacy officer can let the person come back."
    ),
    "unverified_user_id": f"{UNVERIFIED_USER_ID} The event was stored for its anonymousId.",
    "needs_server_source": "Orders count only from a server source; the event was stored as activity.",
    "timestamp_too_old": "The time is more than 31 days ago, which only a server source may claim; the time of receipt was stored.",
    "replaced_characters": "The event contains characters that cannot be stored (NUL, lone surrogates or bytes that are not "
    "UTF-8); each was replaced by U+FFFD.",
}


class StoredEvent(msgspec.Struct, gc=False):
    """The columns of the event table."""

    source_id: int
    message_id: str
    type: str
    name: str
    user_id: str
    anonymous_id: str
    occurred_at: datetime
    received_at: datetime
    session_id: str
    product_ids: list[str]
    value: Decimal | None
    currency: str
    properties: bytes  # JSON, like the context
    context: bytes
    recommendation_id: str


class RequestContext(msgspec.Struct, frozen=True):
    """The values an item inherits from its request and its source.

    Attributes:
        token_key: the key of the user tokens without which a ``userId`` does not count; None if it always counts.
        user_token: the user token of the request; an item's own takes precedence.
        is_trusted: whether the source may report orders.
        is_sandbox: whether the events are only stored for inspection, whoever sends them.
        agent: the automated visitor that the headers of a browser or app name.
    """

    source_id: int
    received_at: datetime
    call_type: str | None = None
    sent_at: Any = None
    opted_out: bool = False
    token_key: str | None = None
    user_token: str = ""
    is_trusted: bool = True
    is_sandbox: bool = False
    agent: AgentClaim | None = None


class EventRow(msgspec.Struct, gc=False):
    """One event ready to be written.

    Attributes:
        index: the item's position in the call.
        raw: the item as it was sent.
        meaning: set if the event is an interaction with products.
        previous_id: set if the event is an alias.
        is_personalized: whether it may influence recommendations; the consent ledger may still forbid it.
        consent: the consent that it carries where the ledger has none: see `choose_consent_level`.
        warning: code of the part of the event that was not accepted, see `ITEM_WARNINGS`; empty if all of it was.
        warning_text: the text of a warning that is not in `ITEM_WARNINGS`.
        event_id: the number of the stored event; 0 before it is stored.
        agent: the automated visitor that the event claims to come from.
        page: the path of the page of an automated visitor.
        is_counted_only: whether the event is behavior of an automated visitor, which is only counted by agent and day.
        decider: user ID and anonymous ID of whom a refusal or an unsubscribe is recorded, even if the event is stored without them.
    """

    index: int
    stored: StoredEvent
    raw: bytes
    context: RequestContext
    meaning: str = ""
    previous_id: str = ""
    is_personalized: bool = True
    warning: str = ""
    event_id: int = 0
    consent: str = ""
    agent: AgentClaim | None = None
    page: str = ""
    is_counted_only: bool = False
    decider: tuple[str, str] | None = None
    warning_text: str = ""


def build_row(item: EventItem, *, index: int, raw: bytes, context: RequestContext) -> EventRow:
    """Return the database row of an item.

    Raises:
        ItemError: names the field, its value and a valid alternative.
    """
    call_type = context.call_type or item.type
    if not isinstance(call_type, str) or call_type not in EVENT_TYPES:
        raise ItemError(
            "unknown_type", f"Unknown type {abbreviate(call_type)}; valid: {', '.join(sorted(EVENT_TYPES))}."
        )
    item_context = read_object(item.context, "context")
    properties = read_properties(item, call_type, item_context)
    properties.pop(PERSONAL_PART, None)  # only the collector may write this key
    user_id = read_person_id(item.userId, "userId")
    anonymous_id = read_person_id(item.anonymousId, "anonymousId")
    if not user_id and not anonymous_id:
        raise ItemError("missing_identity", describe_missing_identity(item))
    user_id, warning = verify_user_id(user_id, anonymous_id, call_type, item_context, context)
    name, meaning = read_meaning(item, call_type)
    order_warning, warning_text = check_order(properties, context, meaning, name)
    mark = mark_event(item_context, context, call_type, name, meaning, is_known=bool(user_id) or context.is_trusted)
    denied, granted = read_consents(item_context, context)
    session_id = read_short_text(item_context.get("sessionId") or properties.get("session_id"), MAX_SESSION_ID)
    decider = (user_id, anonymous_id) if is_refusal(call_type, name, meaning, denied) else None
    if denied and ANALYTICS in denied:
        user_id = anonymous_id = session_id = ""
        properties, item_context = anonymize_properties(call_type, properties), anonymize_context(item_context)
    if mark.agent is not None:
        item_context["agent"] = {"key": mark.agent.agent.key, "evidence": mark.agent.evidence.value}
    occurred_at, time_warning = compute_occurred_at(
        item, sent_at=context.sent_at, received_at=context.received_at, is_trusted=context.is_trusted
    )
    stored = StoredEvent(
        context.source_id,
        read_message_id(item.messageId),
        call_type,
        name,
        user_id,
        anonymous_id,
        occurred_at,
        context.received_at,
        session_id,
        read_product_ids(properties),
        read_value(properties),
        read_currency(properties),
        *encode_sealed(call_type, properties, item_context, is_anonymous=bool(denied) and ANALYTICS in denied),
        read_short_text(properties.get("recommendation_id"), MAX_RECOMMENDATION_ID),
    )
    return EventRow(
        index,
        stored,
        raw,
        context,
        meaning if meaning in RECENT_MEANINGS and not mark.is_counted_only else "",
        properties.get("previousId", "") if call_type == "alias" else "",
        not denied,
        order_warning or warning or time_warning or item.warning,
        consent=choose_consent_level(granted, is_account=context.is_trusted and is_account_call(call_type, meaning)),
        agent=mark.agent,
        page=mark.page,
        is_counted_only=mark.is_counted_only,
        decider=decider,
        warning_text=warning_text,
    )


def check_order(properties: dict[str, Any], context: RequestContext, meaning: str | None, name: str) -> Problem:
    """Return the warning of an order event that its source may not report, or, in a sandbox, that processing would reject; else empty texts."""
    if meaning not in ORDER_MEANINGS:
        return NO_PROBLEM
    if not context.is_trusted:
        return "needs_server_source", ""
    return find_order_problem(properties, Meaning(meaning), name) if context.is_sandbox else NO_PROBLEM


def read_meaning(item: EventItem, call_type: str) -> tuple[str, str | None]:
    """Return the name of an item, and what it means if it is an event of the taxonomy."""
    name = read_name(item, call_type)
    return name, lookup_meaning(name) if call_type == "track" else None


def read_consents(item_context: dict[str, Any], context: RequestContext) -> tuple[frozenset[str], frozenset[str]]:
    """Return the purposes that an item denies and grants; a browser that opts out denies both, whatever the item says."""
    if context.opted_out:
        return BOTH_PURPOSES, NO_PURPOSES
    return read_denied_purposes(item_context), read_granted_purposes(item_context)


def is_refusal(call_type: str, name: str, meaning: str | None, denied: frozenset[str]) -> bool:
    """Return whether an event refuses something: it applies to its person, although the event itself may have to be stored without them."""
    if call_type != "track":
        return False
    return meaning == Meaning.EMAIL_UNSUBSCRIBED or (bool(denied) and is_consent_event(name))


def mark_event(
    item_context: dict[str, Any],
    context: RequestContext,
    call_type: str,
    name: str,
    meaning: str | None,
    *,
    is_known: bool,
) -> AgentMark:
    """Return the mark of an event of an automated visitor; a sandbox marks none, because it shows all events."""
    if context.is_sandbox:
        return NO_AGENT
    return mark_agent(item_context, context.agent, call_type, name, meaning, is_known=is_known)


def choose_consent_level(granted: frozenset[str], *, is_account: bool) -> str:
    """Return "all" for a consent to both purposes, "analytics" for a consent to analytics, an order or account data, else "".

    Orders and account data from the shop's server stay linked to their customer without a consent, because the contract needs them; a refusal
    in the ledger still applies.
    """
    if granted == BOTH_PURPOSES:
        return "all"
    return "analytics" if is_account or ANALYTICS in granted else ""


def is_account_call(call_type: str, meaning: str | None) -> bool:
    """Return whether a call is about an order or the customer's account, not about what the customer does in the shop."""
    return meaning in ORDER_MEANINGS or call_type in ("identify", "alias", "group")


def verify_user_id(
    user_id: str, anonymous_id: str, call_type: str, item_context: dict[str, Any], context: RequestContext
) -> tuple[str, str]:
    """Return the ``userId`` for which an item may speak, and the code of a warning if it is not the one that it names.

    Raises:
        ItemError: without the ``userId``, the item identifies nobody.
    """
    if has_valid_token(user_id, item_context, context):
        return user_id, ""
    if not anonymous_id or call_type == "alias":
        raise ItemError("unverified_user_id", UNVERIFIED_USER_ID)
    return "", "unverified_user_id"


def has_valid_token(user_id: str, item_context: dict[str, Any], context: RequestContext) -> bool:
    """Return whether an item may speak for its ``userId``; removes the token from its context, which is stored."""
    token = item_context.pop("userToken", None) or item_context.pop("user_token", None) or context.user_token
    return (
        not user_id
        or context.token_key is None
        or is_valid_user_token(token, user_id=user_id, keys=[context.token_key], now=context.received_at)
    )


def describe_missing_identity(item: EventItem) -> str:
    """Return why neither id of an item identifies a person."""
    placeholders = [
        f"{name} is {abbreviate(value)}" for name in ("userId", "anonymousId") if (value := getattr(item, name))
    ]
    if placeholders:
        return f"{' and '.join(placeholders)}, which is a placeholder; send the id of a customer or of a visitor."
    return "Neither userId nor anonymousId is set; send at least one."


def read_properties(item: EventItem, call_type: str, context: dict[str, Any]) -> dict[str, Any]:
    """Return the properties to store, which for identify and group calls are the traits."""
    if call_type in ("identify", "group"):
        # rudder-sdk-python puts the traits of identify into the context
        traits = context.get("traits") if item.traits is None and call_type == "identify" else item.traits
        return read_object(traits, "traits")
    properties = read_object(item.properties, "properties")
    if call_type == "alias":
        previous = read_person_id(item.previousId, "previousId")
        if not previous:
            raise ItemError("missing_previous_id", "An alias call needs previousId: the id to link to userId.")
        return {**properties, "previousId": previous}
    if item.category is not None and call_type in ("page", "screen"):
        return {"category": item.category, **properties}
    return properties


def anonymize_properties(call_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an event that is only counted; identify, group and alias calls keep none."""
    if call_type in ("identify", "group", "alias"):
        return {}
    return {key: value for key, value in properties.items() if key not in PERSON_KEYS}


def anonymize_context(context: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a context that do not describe a person."""
    return {key: context[key] for key in ANONYMIZED_CONTEXT if key in context}
