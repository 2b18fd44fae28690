"""Turns the ordinary events of a batch into rows, from the places of their fields in its bytes.

Most events differ only in a few short texts. `scan_events` finds these without decoding the rest, which is stored as it was sent, and
returns exactly the rows that `parsing.build_row` would; every other event is left to that function.
"""

import logging
import threading
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from config.foundation.agents.recognition import recognize_user_agent
from customers.events.collector.agent_marks import MAX_USER_AGENT
from customers.events.collector.consent import NO_PURPOSES, read_denied_purposes, read_granted_purposes
from customers.events.collector.fields import correct_time, read_currency, read_message_id, read_value
from customers.events.collector.items import ItemError
from customers.events.collector.parsing import (
    EventRow,
    RequestContext,
    StoredEvent,
    choose_consent_level,
)
from customers.events.collector.scanning.kernels import CLASSES, N_COLUMNS, scan_batch
from customers.events.collector.scanning.name_tables import NameTables
from customers.events.event_taxonomy import ORDER_MEANINGS, RECENT_MEANINGS, Meaning, lookup_meaning
from customers.identity.resolution.blocklist import is_blocked_id

logger = logging.getLogger(__name__)

EMPTY = b"{}"
SAMPLE = (
    b'{"batch":[{"type":"track","event":"Product Viewed","userId":"1","properties":{"product_id":"1"},"context":{}}]}'
)
_decode = msgspec.json.decode
NO_MEANING = (None, "")


class EventScanner:
    """Finds the ordinary events of batches, once its kernels are loaded or compiled."""

    def __init__(self) -> None:
        self._tables: NameTables | None = None
        self._is_loading = threading.Lock()

    def load_in_background(self) -> None:
        """Load the kernels, or compile those of a new installation, while batches are parsed event by event."""
        threading.Thread(target=self.load, name="event-scanner", daemon=True).start()

    def load(self) -> None:
        """Load the kernels, unless they are loaded or another thread loads them."""
        if self._tables is not None or not self._is_loading.acquire(blocking=False):
            return
        try:
            tables = NameTables()
            scan(SAMPLE, 1, tables)
            self._tables = tables
        except Exception:
            logger.exception("The kernels of the collector cannot be loaded; events are parsed one by one")
        finally:
            self._is_loading.release()

    def scan_events(self, body: bytes, n_items: int, context: RequestContext) -> list[EventRow | None] | None:
        """Return a row for each ordinary event of a batch and None for each other item; None if all are to be parsed one by one.

        Args:
            body: ``{"batch": [ … ]}`` as UTF-8, which is valid JSON; all items have the types that they state.
            n_items: the number of its items.
        """
        tables = self._tables
        if tables is None or context.is_sandbox or context.opted_out or context.agent is not None:
            return None
        spans = scan(body, n_items, tables)
        if spans is None:
            return None
        # Latin-1 has one character for each byte, so that the places are those of the bytes
        text, is_ascii = body.decode("latin-1"), body.isascii()
        return [
            build_scanned_row(index, columns, body, text, is_ascii, context) if columns[0] else None
            for index, columns in enumerate(spans)
        ]


def scan(body: bytes, n_items: int, tables: NameTables) -> list[list[int]] | None:
    """Return the columns of each item, as `kernels` defines them; None if the batch is not as expected."""
    rows = np.empty((n_items, N_COLUMNS), np.int32)
    data = np.frombuffer(body, np.uint8)
    found = scan_batch(data, tables.items, tables.get_properties(), tables.contexts, CLASSES, rows)
    return rows.tolist() if found == n_items else None


def build_scanned_row(
    index: int, columns: list[int], body: bytes, text: str, is_ascii: bool, context: RequestContext
) -> EventRow | None:
    """Return the row of an ordinary event, or None if something in its texts is not ordinary. Twin of `parsing.build_row`.

    Args:
        text: the body, with one character for each byte.
    """
    (_is_ordinary, is_track, item, item_end, type_, type_end, name_, name_end, message, message_end, user, user_end, visitor,
     visitor_end, time, time_end, sent, sent_end, properties, properties_end, inner, inner_end, session, session_end, product,
     product_end, amount, amount_end, currency, currency_end, reference, reference_end, browser, browser_end, consent, consent_end,
     management, management_end) = columns  # fmt: skip
    texts: tuple[str, ...] = (
        *(text[user:user_end], text[visitor:visitor_end], text[name_:name_end], text[message:message_end]),
        *(text[session:session_end], text[product:product_end], text[reference:reference_end]),
    )
    texts = texts if is_ascii else decode_texts(texts)
    user_id, anonymous_id, name, message_id, session_id, product_id, recommendation_id = texts
    if not has_ordinary_ids(user_id, anonymous_id, context):
        return None
    if message_id != message_id.strip() or product_id != product_id.strip():
        return None  # the parser removes the white space
    if browser_end and recognize_user_agent(text[browser:browser_end][:MAX_USER_AGENT]) is not None:
        return None
    denied = granted = NO_PURPOSES
    if consent_end or management_end:
        denied, granted = read_purposes(body[consent:consent_end], body[management:management_end])
    meaning, recent_meaning = describe_name(name) if is_track else NO_MEANING
    is_order = meaning in ORDER_MEANINGS
    sent_at = text[sent:sent_end] if sent_end else context.sent_at
    try:
        occurred_at, warning = correct_time(
            text[time:time_end] or None,
            sent_at,
            "timestamp",
            received_at=context.received_at,
            is_trusted=context.is_trusted,
        )
    except ItemError:
        return None  # the parser names the field
    if is_order and not context.is_trusted:
        warning = "needs_server_source"
    value = read_amount(text[amount:amount_end]) if amount_end else None
    # the parser keeps whom a refusal applies to; another field may have the amount
    if denied or meaning == Meaning.EMAIL_UNSUBSCRIBED or (amount_end and value is None):
        return None
    stored = StoredEvent(
        context.source_id,
        message_id or read_message_id(None),
        "track" if is_track else text[type_:type_end],
        name,
        user_id,
        anonymous_id,
        occurred_at,
        context.received_at,
        session_id,
        [product_id] if product_id else [],
        value,
        read_currency_code(text[currency:currency_end]) if currency_end else "",
        body[properties:properties_end] or EMPTY,
        body[inner:inner_end] or EMPTY,
        recommendation_id,
    )
    consent_level = choose_consent_level(granted, is_account=is_order and context.is_trusted)
    return EventRow(index, stored, body[item:item_end], context, recent_meaning, "", True, warning, 0, consent_level)


def has_ordinary_ids(user_id: str, anonymous_id: str, context: RequestContext) -> bool:
    """Return whether the parser would take the IDs as they are: it removes white space, checks user tokens, and refuses blocked IDs."""
    if user_id != user_id.strip() or anonymous_id != anonymous_id.strip():
        return False
    if user_id and (context.token_key is not None or is_blocked_id(user_id)):
        return False
    return not is_blocked_id(anonymous_id) if anonymous_id else bool(user_id)


def decode_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return texts whose characters are the bytes of UTF-8."""
    return tuple(value.encode("latin-1").decode() for value in texts)


@lru_cache(maxsize=4096)
def describe_name(name: str) -> tuple[str | None, str]:
    """Return the meaning of a track call's name, and the same again if the recent interactions keep it, else an empty text."""
    meaning = lookup_meaning(name)
    return meaning, meaning if meaning in RECENT_MEANINGS else ""


@lru_cache(maxsize=1024)
def read_currency_code(text: str) -> str:
    """Return a currency as `fields.read_currency` does."""
    return read_currency({"currency": text})


@lru_cache(maxsize=4096)
def read_amount(text: str) -> Any:
    """Return an amount as `fields.read_value` does; None if the text is not an amount."""
    return read_value({"value": text})


@lru_cache(maxsize=1024)
def read_purposes(consent: bytes, management: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return the purposes that the parts of a context deny and grant."""
    context = {
        "consent": _decode(consent) if consent else None,
        "consentManagement": _decode(management) if management else None,
    }
    return read_denied_purposes(context), read_granted_purposes(context)


event_scanner = EventScanner()
