"""From what a client sent to rows for the database: each item stands for itself, a bad one is refused with its reason.

Where an item's parts go: `properties` of track, page and screen, and `traits` of identify and group, become `properties`;
`groupId` becomes the name; `previousId` of alias and `category` of page and screen are put into `properties`. What names or
locates a person is taken out of traits and properties and kept as one encrypted text, `properties.$personal`.
"""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

import msgspec

from customers.events.collector.consent import refused_purposes
from customers.events.event_taxonomy import REMEMBERED, meaning_of
from customers.events.models import Event
from customers.identity.models import Consent
from customers.identity.personal_data.personal_traits import PERSONAL_TRAITS, seal_personal, spellings
from customers.identity.resolution.blocklist import is_blocked_id

MOST_EVENT_BYTES = 32 * 1024
MOST_DEPTH = 64  # some readers of stored JSON stop at a few hundred
MOST_MESSAGE_ID = 99
MOST_ID = 255
MOST_NAME = 200
MOST_PRODUCT_ID = 200
FUTURE_ALLOWED = timedelta(days=1)
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
MOST_VALUE = Decimal("999999999999.99")
TYPES = frozenset(Event.Type.values)
PERSONAL = "$personal"
# in the properties of track, page and screen "name" and "address" are a product's or a shop's
PERSONAL_PROPERTIES = frozenset(
    spelt for name in ("email", "email address", "phone", "phone number") for spelt in spellings(name)
)
PERSON_KEYS = frozenset(
    {PERSONAL, "previousId", "session_id", "sessionId", "user_id", "userId", "anonymous_id", "anonymousId"}
)
IMPERSONAL_CONTEXT = ("library", "consent", "consentManagement")
ANALYTICS = Consent.Purpose.ANALYTICS
BOTH_PURPOSES = frozenset({ANALYTICS, Consent.Purpose.PERSONALISATION})
# made once: each of these would be made anew for every value that is looked at
TEXT_OR_INTEGER, NUMBER, TEXT_OR_NUMBER = (int, str), (int, float), (int, float, str)
PRODUCT_KEYS = ("product_id", "productId", "item_id", "sku")
LISTED_PRODUCT_KEYS = ("product_id", "productId", "item_id", "id", "sku")


class ItemError(Exception):
    """Why one item can't be taken."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Item(msgspec.Struct):
    """An item as the SDKs send it; what is not named here is ignored."""

    type: Any = None
    messageId: Any = None  # noqa: N815
    event: Any = None
    name: Any = None
    category: Any = None
    userId: Any = None  # noqa: N815
    anonymousId: Any = None  # noqa: N815
    previousId: Any = None  # noqa: N815
    groupId: Any = None  # noqa: N815
    properties: Any = None
    traits: Any = None
    context: Any = None
    timestamp: Any = None
    originalTimestamp: Any = None  # noqa: N815
    sentAt: Any = None  # noqa: N815
    writeKey: Any = None  # noqa: N815


class StoredEvent(msgspec.Struct):
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
    properties: bytes  # JSON, as is the context
    context: bytes
    recommendation_id: str


class Frame(msgspec.Struct, frozen=True):
    """What surrounds an item: whose it is, when it came, what the address and the batch said about it."""

    source_id: int
    received_at: datetime
    call_type: str | None = None
    sent_at: Any = None
    opted_out: bool = False


class EventRow(msgspec.Struct):
    """One event ready to be written, with its place in the call and its own text.

    ``meaning`` is set when it is an interaction with products, ``previous_id`` when it is an alias. ``personalised`` says
    whether it may change what is recommended; the ledger of consents may still forbid it.
    """

    index: int
    stored: StoredEvent
    raw: bytes
    frame: Frame
    meaning: str = ""
    previous_id: str = ""
    personalised: bool = True


_decoder = msgspec.json.Decoder(Item)
_encode = msgspec.json.Encoder().encode


def decode_item(raw: bytes) -> Item:
    """Raises ItemError when the item is too large, is no object, or holds what no database can keep."""
    if len(raw) > MOST_EVENT_BYTES:
        raise ItemError("event_too_large", f"The event has {len(raw)} bytes; at most {MOST_EVENT_BYTES} are taken.")
    try:
        item = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise ItemError("invalid_event", f"{error}. Give an object as the tracking specification says.") from error
    except msgspec.DecodeError as error:
        raise ItemError(
            "invalid_text", f"The event holds text or numbers that JSON does not allow: {error}."
        ) from error
    except RecursionError as error:
        raise ItemError("nested_too_deeply", "The event is nested too deeply.") from error
    if raw.count(b"[") + raw.count(b"{") > MOST_DEPTH and is_deep(msgspec.json.decode(raw), MOST_DEPTH):
        raise ItemError("nested_too_deeply", f"The event is nested more than {MOST_DEPTH} levels deep.")
    if b"\\u0000" in raw and holds_nul(msgspec.json.decode(raw)):
        raise ItemError("nul_character", "The event holds a NUL character (\\u0000); remove it.")
    return item


def is_deep(value: Any, levels: int) -> bool:
    """Whether there are more than so many levels of lists and objects."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(is_deep(one, levels - 1) for one in inner if isinstance(one, dict | list))


def holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(holds_nul(key) or holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(holds_nul(inner) for inner in value)


def row_of(item: Item, *, index: int, raw: bytes, frame: Frame) -> EventRow:
    """A row for the database.

    Raises:
        ItemError: names the field, its value and what would be right.
    """
    kind = frame.call_type or item.type
    if not isinstance(kind, str) or kind not in TYPES:
        raise ItemError("unknown_type", f"type is {shown(kind)}; give one of {', '.join(sorted(TYPES))}.")
    context = object_of(item.context, "context")
    properties = properties_of(item, kind, context)
    user_id = person_id_of(item.userId, "userId")
    anonymous_id = person_id_of(item.anonymousId, "anonymousId")
    if not user_id and not anonymous_id:
        raise ItemError("missing_identity", missing_identity(item))
    name = name_of(item, kind)
    meaning = meaning_of(name) if kind == "track" else None
    refused = BOTH_PURPOSES if frame.opted_out else refused_purposes(context)
    personal = take_personal(kind, properties, context)
    session_id = short_text(context.get("sessionId") or properties.get("session_id"), 100)
    if refused and ANALYTICS in refused:
        user_id = anonymous_id = session_id = ""
        properties, context, personal = impersonal_properties(kind, properties), impersonal_context(context), {}
    if personal:
        properties[PERSONAL] = seal_personal(personal)
    stored = StoredEvent(
        frame.source_id,
        message_id_of(item.messageId),
        kind,
        name,
        user_id,
        anonymous_id,
        occurred_at_of(item, sent_at=frame.sent_at, received_at=frame.received_at),
        frame.received_at,
        session_id,
        product_ids_of(properties),
        value_of(properties),
        currency_of(properties),
        _encode(properties),
        _encode(context),
        short_text(properties.get("recommendation_id"), 64),
    )
    return EventRow(
        index,
        stored,
        raw,
        frame,
        meaning if meaning in REMEMBERED else "",
        properties.get("previousId", "") if kind == "alias" else "",
        not refused,
    )


def missing_identity(item: Item) -> str:
    given = [f"{name} is {shown(value)}" for name in ("userId", "anonymousId") if (value := getattr(item, name))]
    if given:
        return f"{' and '.join(given)}, which stands for nobody; give the id of a person or of a visitor."
    return "Neither userId nor anonymousId is given; give at least one."


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def object_of(value: Any, field: str) -> dict[str, Any]:
    if value is None or value == []:  # PHP writes an empty object as []
        return {}
    if not isinstance(value, dict):
        raise ItemError(f"invalid_{field}", f"{field} is {shown(value)}; give an object.")
    return value


def properties_of(item: Item, kind: str, context: dict[str, Any]) -> dict[str, Any]:
    if kind in ("identify", "group"):
        # rudder-sdk-python puts the traits of identify into the context
        traits = context.get("traits") if item.traits is None and kind == "identify" else item.traits
        return object_of(traits, "traits")
    properties = object_of(item.properties, "properties")
    if kind == "alias":
        previous = person_id_of(item.previousId, "previousId")
        if not previous:
            raise ItemError("missing_previous_id", "alias needs previousId: the id to be joined with userId.")
        return {**properties, "previousId": previous}
    if item.category is not None and kind in ("page", "screen"):
        return {"category": item.category, **properties}
    return properties


def take_personal(kind: str, properties: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """What names or locates a person, taken out of the properties and the context."""
    properties.pop(PERSONAL, None)  # only we write this key
    personal: dict[str, Any] = {}
    traits = context.get("traits")
    if isinstance(traits, dict) and traits is not properties:
        personal = move_out(traits, PERSONAL_TRAITS)
    names = PERSONAL_TRAITS if kind in ("identify", "group") else PERSONAL_PROPERTIES
    if not names.isdisjoint(properties):
        personal |= move_out(properties, names)
    return personal


def move_out(holder: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: holder.pop(name) for name in names.intersection(holder)}


def impersonal_properties(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of an event that is only counted; those of identify, group and alias are about the person alone."""
    if kind in ("identify", "group", "alias"):
        return {}
    return {key: value for key, value in properties.items() if key not in PERSON_KEYS}


def impersonal_context(context: dict[str, Any]) -> dict[str, Any]:
    return {key: context[key] for key in IMPERSONAL_CONTEXT if key in context}


def name_of(item: Item, kind: str) -> str:
    if kind == "track":
        field, value = "event", item.event
        if value is None or value == "":
            raise ItemError("missing_event", "track needs event: the name of what happened.")
    elif kind == "group":
        field, value = "groupId", id_of(item.groupId, "groupId")
        if not value:
            raise ItemError("missing_group_id", "group needs groupId.")
    elif kind in ("page", "screen"):
        field, value = "name", item.name
    else:
        return ""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_NAME:
        raise ItemError(
            f"invalid_{field}", f"{field} is {shown(value)}; give a text of at most {MOST_NAME} characters."
        )
    return value


def person_id_of(value: Any, field: str) -> str:
    """An id of somebody; what programs send where they have none ("undefined", "guest", "0") counts as absent."""
    person_id = id_of(value, field)
    return "" if person_id and is_blocked_id(person_id) else person_id


def id_of(value: Any, field: str) -> str:
    """An id as text; numbers are taken, null and the empty text count as absent."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > MOST_ID:
        raise ItemError(f"invalid_{field}", f"{field} is {shown(value)}; give a text of at most {MOST_ID} characters.")
    return value


def message_id_of(value: Any) -> str:
    message_id = id_of(value, "messageId")
    if not message_id:
        return f"made-{uuid4().hex}"
    if len(message_id) > MOST_MESSAGE_ID:
        reason = f"messageId has {len(message_id)} characters; give fewer than {MOST_MESSAGE_ID + 1}."
        raise ItemError("invalid_messageId", reason)
    return message_id


def occurred_at_of(item: Item, *, sent_at: Any, received_at: datetime) -> datetime:
    """The moment by our clock: receivedAt − (sentAt − originalTimestamp), which cancels a client clock that is wrong."""
    field = "timestamp" if item.originalTimestamp is None else "originalTimestamp"
    stated = item.timestamp if item.originalTimestamp is None else item.originalTimestamp
    if stated is None:
        return received_at
    try:
        original = moment_of(stated)
    except (ValueError, TypeError, OverflowError) as error:
        reason = f"{field} is {shown(stated)}; give an ISO 8601 time such as 2026-11-24T10:42:00Z."
        raise ItemError("invalid_timestamp", reason) from error
    sent = item.sentAt if item.sentAt is not None else sent_at
    try:
        occurred = original if sent is None else received_at - (moment_of(sent) - original)
    except (ValueError, TypeError, OverflowError):
        occurred = original  # sentAt can't be read: the clock can't be corrected
    if occurred < OLDEST:
        raise ItemError("invalid_timestamp", f"{field} is {shown(stated)}; give a time after 1970.")
    return received_at if occurred - received_at > FUTURE_ALLOWED else occurred


def moment_of(value: Any) -> datetime:
    """An ISO 8601 text (UTC where it names no zone), or seconds or milliseconds since 1970."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, NUMBER):
        raise TypeError("no time")
    try:
        return datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)
    except OSError as error:
        raise ValueError(str(error)) from error


def product_ids_of(properties: dict[str, Any]) -> list[str]:
    """The products an event is about, each once, in order: its own id, then those of its list."""
    own = product_id_of(properties, PRODUCT_KEYS)
    found = [own] if own else []
    for name in ("products", "items"):
        listed = properties.get(name)
        if isinstance(listed, list):
            found += [product_id_of(product, LISTED_PRODUCT_KEYS) for product in listed if isinstance(product, dict)]
    return found if len(found) < 2 and own else [product_id for product_id in dict.fromkeys(found) if product_id]


def product_id_of(properties: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = properties.get(key)
        if (
            value is not None
            and isinstance(value, TEXT_OR_INTEGER)
            and not isinstance(value, bool)
            and 0 < len(text := str(value)) <= MOST_PRODUCT_ID
        ):
            return text
    return ""


def value_of(properties: dict[str, Any]) -> Decimal | None:
    """The money an event states; None where it is absent or can't be an amount (the properties keep it as it came)."""
    for key in ("total", "revenue", "value"):
        stated = properties.get(key)
        if stated is None or stated == "" or isinstance(stated, bool) or not isinstance(stated, TEXT_OR_NUMBER):
            continue
        try:
            amount = Decimal(str(stated))
        except InvalidOperation:
            continue
        if amount.is_finite() and abs(amount) < MOST_VALUE and not math.isinf(float(amount)):
            return amount.quantize(Decimal("0.01"))
    return None


def currency_of(properties: dict[str, Any]) -> str:
    currency = properties.get("currency")
    if isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha():
        return currency.upper()
    return ""


def short_text(value: Any, most: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= most else ""
