"""What events and their collection store about people."""

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.key_stores import ValkeyKeys
from config.foundation.personal_data.locations import keys, table
from config.foundation.personal_data.person import Finding, Person, list_identifier_values
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from customers.events.collector.parsing import ANONYMIZED_CONTEXT, PERSON_KEYS
from customers.events.models import Outbox

# Each identifier is searched with the texts of its own person only, so the cost grows with the number of events, not of people. If the person
# has typed one of these texts, as in a search or a page address with an email address, all properties are removed.
ANONYMIZE = """
WITH own AS MATERIALIZED (
    SELECT * FROM unnest(%(kinds)s::text[], %(values)s::text[], %(texts)s::text[]) AS row (kind, value, texts)
), named AS MATERIALIZED (
    SELECT e.id, e.received_at, own.texts FROM own JOIN events_event e ON own.kind = 'user_id' AND e.user_id = own.value AND e.user_id <> ''
    UNION ALL
    SELECT e.id, e.received_at, own.texts FROM own
    JOIN events_event e ON own.kind = 'anonymous_id' AND e.anonymous_id = own.value AND e.anonymous_id <> ''
)
UPDATE events_event e
SET user_id = '', anonymous_id = '', session_id = '',
    name = CASE WHEN lower(e.name) LIKE ANY (string_to_array(n.texts, chr(31))) THEN '' ELSE e.name END,
    message_id = CASE WHEN lower(e.message_id) LIKE ANY (string_to_array(n.texts, chr(31))) THEN 'erased-' || e.id ELSE e.message_id END,
    properties = CASE
        WHEN e.type IN ('identify', 'group', 'alias') THEN '{}'
        WHEN lower((e.properties - %(person_keys)s::text[])::text) LIKE ANY (string_to_array(n.texts, chr(31))) THEN '{}'
        ELSE e.properties - %(person_keys)s::text[] END,
    context = (
        SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM jsonb_each(
            CASE WHEN jsonb_typeof(e.context) = 'object' THEN e.context ELSE '{}' END
        ) WHERE key = ANY(%(context)s::text[]) AND NOT lower(value::text) LIKE ANY (string_to_array(n.texts, chr(31)))
    )
FROM named n WHERE e.id = n.id AND e.received_at = n.received_at
"""
# An event can carry two identifiers of one person, and still counts once.
FIND_EVENTS = """
SELECT id, received_at, occurred_at FROM events_event WHERE user_id = ANY(%(user_ids)s) AND user_id <> ''
UNION
SELECT id, received_at, occurred_at FROM events_event WHERE anonymous_id = ANY(%(anonymous_ids)s) AND anonymous_id <> ''
"""
COUNT_EVENTS = f"SELECT count(*) FROM ({FIND_EVENTS}) AS found"  # noqa: S608 — a constant
LIST_EVENTS = f"{FIND_EVENTS} ORDER BY occurred_at, id"
EXPORTED = ("occurred_at", "type", "name", "product_ids", "value", "currency", "properties", "context")
READ_EVENTS = f"""
SELECT {", ".join(EXPORTED)} FROM events_event
WHERE id = ANY(%s) AND received_at BETWEEN %s AND %s ORDER BY occurred_at, id
"""  # noqa: S608 — the names are constants
EVENTS_OF_BATCH = 1000  # an event has up to 32 KB
KINDS = ("user_id", "anonymous_id")
LISTED = ("recent", "group-of", "dismissed", "denied")


def build_patterns(person: Person) -> str:
    """Return the LIKE patterns for what the person may have typed, in lowercase, joined by a control character."""
    texts = sorted({text.lower() for text in person.search_terms if len(text) >= 4} | {"\x00"})
    escaped = (text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for text in texts if text != "\x00")
    return "\x1f".join(f"%{text}%" for text in escaped) or "\x1e"


class StoredEvents(PersonalDataStore):
    """The events of erased people are anonymized: they still count, but identify nobody."""

    key = "events.stored"
    label = _("events")
    locations = (table("events.Event"),)
    kept = _("The event itself, its time and its products, without identifiers, session and texts about the person.")
    is_repeated = True

    def erase(self, people: Sequence[Person]) -> int:
        rows = [
            (kind, value, patterns)
            for person in people
            for patterns in (build_patterns(person),)
            for kind, value in person.identifiers
            if kind in KINDS
        ]
        if not rows:
            return 0
        kinds, values, texts = map(list, zip(*rows, strict=True))
        parameters = {
            "kinds": kinds,
            "values": values,
            "texts": texts,
            "person_keys": sorted(PERSON_KEYS),
            "context": list(ANONYMIZED_CONTEXT),
        }
        with connection.cursor() as cursor:
            cursor.execute(ANONYMIZE, parameters)
            return int(cursor.rowcount)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_EVENTS, build_identifiers(people))
            count = int(cursor.fetchone()[0])
        return [self.make_finding(self.locations[0], count, "identifier")] if count else []

    def export(self, person: Person) -> Iterator[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(LIST_EVENTS, build_identifiers([person]))
            for batch in batched(cursor.fetchall(), EVENTS_OF_BATCH):
                ids, received, _occurred = zip(*batch, strict=True)
                cursor.execute(READ_EVENTS, [list(ids), min(received), max(received)])
                for row in cursor.fetchall():
                    yield {name: item for name, item in zip(EXPORTED, row, strict=True) if item not in ("", None, [])}


class WaitingRefusals(PersonalDataStore):
    """Whom the refusals that are not processed yet apply to; the events themselves are stored without the person."""

    key = "events.waiting"
    label = _("waiting events")
    locations = (table("events.Outbox", "user_id", "anonymous_id"),)
    phase = ErasurePhase.INTAKE
    is_repeated = True

    def select(self, people: Sequence[Person]) -> QuerySet[Outbox]:
        users, visitors = ([value for value in values if value] for values in build_identifiers(people).values())
        return Outbox.objects.filter(Q(user_id__in=users) | Q(anonymous_id__in=visitors))

    def erase(self, people: Sequence[Person]) -> int:
        return self.select(people).update(user_id="", anonymous_id="")

    def find(self, people: Sequence[Person]) -> list[Finding]:
        count = self.select(people).count()
        return [self.make_finding(self.locations[0], count, "identifier")] if count else []


def build_identifiers(people: Sequence[Person]) -> dict[str, list[str]]:
    """Return the values of each kind of identifier that events have."""
    return {f"{kind}s": list_identifier_values(people, [kind]) for kind in KINDS}


def list_recent_keys(people: Sequence[Person]) -> list[str]:
    """Return the keys of the recent interactions of people."""
    # of all kinds: a denial of personalization is kept for each identifier, also for that of a device
    names = {f"{kind}:{value}" for person in people for kind, value in person.identifiers}
    return [f"{prefix}:{name}" for name in names for prefix in LISTED]


register_stores(
    StoredEvents(),
    WaitingRefusals(),
    MatchingTexts(
        "events.rejected",
        _("rejected events"),
        "events.RejectedEvent",
        "payload",
        "corrected_payload",
        "reason",
        action=TextAction.DELETE,
        is_encrypted=True,
    ),
    MatchingTexts(
        "events.sandbox",
        _("events of sandboxes"),
        "events.SandboxEvent",
        *("message_id", "name", "user_id", "anonymous_id", "session_id", "properties", "context"),
        action=TextAction.DELETE,
    ),
    ValkeyKeys(
        "events.recent",
        _("recent interactions"),
        *(f"{prefix}:*" for prefix in LISTED),
        list_names=list_recent_keys,
        is_repeated=True,
    ),
    ValkeyKeys("events.groups", _("linked identifiers of recent interactions"), "group:*"),
)
register_impersonal(
    table("events.EventReceipt"),
    table("events.RejectedEvent", "call_type", "sent_at", "code", "replay_message_id"),
    table("events.SandboxEvent", "type", "product_ids", "currency", "recommendation_id"),
    reason="Message IDs that SDKs generate, times and codes. They keep a retry from being counted twice.",
)
register_impersonal(
    table("events.Source"),
    table("events.EventMinute"),
    table("events.AgentActivity"),
    reason="Settings of sources and counts of events.",
)
register_impersonal(keys("events:*", "minute:*"), reason="Counts of events.")
