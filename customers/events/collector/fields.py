"""Reads single fields of an item: ids, names, times, products and amounts."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import uuid4

from django.conf import settings

from customers.events.collector.items import EventItem, ItemError, abbreviate
from customers.identity.resolution.blocklist import is_blocked_id

MAX_MESSAGE_ID = 99
MAX_ID = 255
MAX_NAME = 200
MAX_PRODUCT_ID = 200
MAX_SESSION_ID = 100
MAX_RECOMMENDATION_ID = 64
LEAST_AGE = timedelta(days=-1)  # an event may seem to be this far in the future, because clocks differ
# of an event whose time comes from a browser or app; SDKs keep events while a device is offline
MAX_CLAIMED_AGE = timedelta(days=31)
MAX_VALUE = Decimal("999999999999.99")
# tuples created once: a literal in the function would be built again for every value that is checked
TEXT_OR_INTEGER, NUMBER, TEXT_OR_NUMBER = (int, str), (int, float), (int, float, str)
PRODUCT_KEYS = ("product_id", "productId", "item_id", "sku")
LISTED_PRODUCT_KEYS = ("product_id", "productId", "item_id", "id", "sku")


def read_object(value: Any, field: str) -> dict[str, Any]:
    """Return a field that must be a JSON object; a missing field is an empty object."""
    if value is None or value == []:  # PHP writes an empty object as []
        return {}
    if not isinstance(value, dict):
        raise ItemError(f"invalid_{field}", f"{field} is {abbreviate(value)}; send an object.")
    return value


def read_name(item: EventItem, call_type: str) -> str:
    """Return the event name, group id or page name of an item, by its call type."""
    if call_type == "track":
        field, value = "event", item.event
        if value is None or value == "":
            raise ItemError("missing_event", "A track call needs event, the name of what happened.")
    elif call_type == "group":
        field, value = "groupId", read_id(item.groupId, "groupId")
        if not value:
            raise ItemError("missing_group_id", "A group call needs groupId.")
    elif call_type in ("page", "screen"):
        field, value = "name", item.name
    else:
        return ""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ItemError(
            f"invalid_{field}", f"{field} is {abbreviate(value)}; send a text of at most {MAX_NAME} characters."
        )
    return value


def read_person_id(value: Any, field: str) -> str:
    """Return an id of a person; a placeholder such as "undefined", "guest" or "0" counts as missing."""
    person_id = read_id(value, field)
    return "" if person_id and is_blocked_id(person_id) else person_id


def read_id(value: Any, field: str) -> str:
    """Return an id as text without white space around it; numbers are accepted, null and the empty text count as missing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        value = value.strip()
    if not isinstance(value, str) or len(value) > MAX_ID:
        raise ItemError(
            f"invalid_{field}", f"{field} is {abbreviate(value)}; send a text of at most {MAX_ID} characters."
        )
    return value


def read_message_id(value: Any) -> str:
    """Return the message id, or a generated one if the item has none."""
    message_id = read_id(value, "messageId")
    if not message_id:
        return f"made-{uuid4().hex}"
    if len(message_id) > MAX_MESSAGE_ID:
        reason = f"messageId has {len(message_id)} characters; the maximum is {MAX_MESSAGE_ID}."
        raise ItemError("invalid_messageId", reason)
    return message_id


def compute_occurred_at(
    item: EventItem, *, sent_at: Any, received_at: datetime, is_trusted: bool = True
) -> tuple[datetime, str]:
    """Return when the event happened, corrected for a client clock that is wrong, and the code of a warning or "".

    receivedAt − (sentAt − originalTimestamp): the client's offset is in both client times and cancels out.

    Raises:
        ItemError: the time is unreadable, or before the shop was founded.
    """
    field = "timestamp" if item.originalTimestamp is None else "originalTimestamp"
    client_time = item.timestamp if item.originalTimestamp is None else item.originalTimestamp
    client_sent_at = item.sentAt if item.sentAt is not None else sent_at
    return correct_time(client_time, client_sent_at, field, received_at=received_at, is_trusted=is_trusted)


def correct_time(
    client_time: Any, client_sent_at: Any, field: str, *, received_at: datetime, is_trusted: bool
) -> tuple[datetime, str]:
    """Return the time of an event and the code of a warning, as `compute_occurred_at` does, from the values of its fields.

    Args:
        field: the name of the field that has the time, for errors.
    """
    if client_time is None:
        return received_at, ""
    try:
        original = parse_moment(client_time)
    except (ValueError, TypeError, OverflowError) as error:
        reason = f"{field} is {abbreviate(client_time)}; send an ISO 8601 time such as 2026-11-24T10:42:00Z."
        raise ItemError("invalid_timestamp", reason) from error
    try:
        occurred = original if client_sent_at is None else received_at - (parse_moment(client_sent_at) - original)
    except (ValueError, TypeError, OverflowError):
        occurred = original  # sentAt is unreadable, so the clock cannot be corrected
    age = received_at - occurred
    if age > MAX_CLAIMED_AGE:
        require_after_founding(occurred, field, client_time)
        if not is_trusted:
            return received_at, "timestamp_too_old"
    return (received_at if age < LEAST_AGE else occurred), ""


def require_after_founding(occurred: datetime, field: str, client_time: Any) -> None:
    """Check that an event is not older than the shop. Errors: ItemError."""
    if occurred.date() < settings.SHOP_FOUNDED:
        raise ItemError(
            "before_founding",
            f"{field} is {abbreviate(client_time)}, before the shop was founded ({settings.SHOP_FOUNDED}); "
            "send a later time, or correct SHOP_FOUNDED.",
        )


def parse_moment(value: Any) -> datetime:
    """Parse an ISO 8601 text (UTC if it names no zone), or seconds or milliseconds since 1970."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, bool) or not isinstance(value, NUMBER):
        raise TypeError("not a time")
    try:
        return datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)
    except OSError as error:
        raise ValueError(str(error)) from error


def read_product_ids(properties: dict[str, Any]) -> list[str]:
    """Return the ids of an event's products without duplicates: its own product first, then its product list."""
    own = read_product_id(properties, PRODUCT_KEYS)
    product_ids = [own] if own else []
    for name in ("products", "items"):
        listed = properties.get(name)
        if isinstance(listed, list):
            product_ids += [
                read_product_id(product, LISTED_PRODUCT_KEYS) for product in listed if isinstance(product, dict)
            ]
    if len(product_ids) < 2 and own:
        return product_ids
    return [product_id for product_id in dict.fromkeys(product_ids) if product_id]


def read_product_id(properties: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Return the first usable product id under the given keys; empty if there is none."""
    for key in keys:
        value = properties.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if (
            value is not None
            and isinstance(value, TEXT_OR_INTEGER)
            and not isinstance(value, bool)
            and 0 < len(text := str(value).strip()) <= MAX_PRODUCT_ID
        ):
            return text
    return ""


def read_value(properties: dict[str, Any]) -> Decimal | None:
    """Return the amount of an event; None if it has none or an unusable one (the properties keep it as sent)."""
    for key in ("total", "revenue", "value"):
        text = properties.get(key)
        if text is None or text == "" or isinstance(text, bool) or not isinstance(text, TEXT_OR_NUMBER):
            continue
        try:
            amount = Decimal(str(text))
        except InvalidOperation:
            continue
        if amount.is_finite() and abs(amount) < MAX_VALUE and not math.isinf(float(amount)):
            return amount.quantize(Decimal("0.01"))
    return None


def read_currency(properties: dict[str, Any]) -> str:
    """Return the currency code in capitals; empty unless it is three ASCII letters."""
    currency = properties.get("currency")
    if isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isalpha():
        return currency.upper()
    return ""


def read_short_text(value: Any, max_length: int) -> str:
    """Return a text or integer as text; empty if it is something else or too long."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and len(value) <= max_length else ""
