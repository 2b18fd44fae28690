"""The audit log and repeated responses. Users of the back office are staff, not customers."""

from collections.abc import Sequence

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.access.audit.redaction import redact_entries
from config.foundation.personal_data.key_stores import ValkeyKeys
from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person, list_customer_ids
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_matcher import build_matcher
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

FETCHED_ROWS = 2000
READ_TEXTS = """
SELECT id, concat_ws(chr(31), object_repr, object_pk, serialized_data::text, changes_text, changes::text, additional_data::text)
FROM auditlog_logentry
"""
FIND_OBJECTS = """
SELECT id FROM auditlog_logentry
WHERE (content_type_id, object_pk) IN (SELECT * FROM unnest(%(types)s::integer[], %(keys)s::text[]))
   OR additional_data -> 'pks' ?| %(numbers)s::text[]
   OR EXISTS (
       SELECT FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(additional_data -> 'pks') = 'array' THEN additional_data -> 'pks'
           WHEN jsonb_typeof(additional_data #> '{details,pks}') = 'array' THEN additional_data #> '{details,pks}' ELSE '[]' END) AS pk
       WHERE pk = ANY(%(numbers)s::text[])
   )
"""


class AuditEntries(PersonalDataStore):
    """Entries about people. Who did what and when is kept; the object and the values are removed."""

    key = "access.audit_log"
    label = _("audit log")
    locations = (table("auditlog.LogEntry"),)
    kept = _("Who did what and when, and that the entry concerned an erased customer.")
    phase = ErasurePhase.RECORDS

    def list_entries(self, people: Sequence[Person]) -> list[int]:
        """Return the entries that are about people or contain data that identifies them."""
        numbers = [str(number) for number in list_customer_ids(people)]
        content_type = ContentType.objects.get(app_label="identity", model="customer").pk
        with connection.cursor() as cursor:
            cursor.execute(FIND_OBJECTS, {"types": [content_type] * len(numbers), "keys": numbers, "numbers": numbers})
            entries = {entry_id for (entry_id,) in cursor.fetchall()}
        matcher = build_matcher(people)
        with connection.chunked_cursor() as cursor:
            cursor.execute(READ_TEXTS)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                entries |= {entry_id for entry_id, text in rows if matcher.contains((text or "").encode())}
        return sorted(entries)

    def erase(self, people: Sequence[Person]) -> int:
        return redact_entries(self.list_entries(people))

    def find(self, people: Sequence[Person]) -> list[Finding]:
        entries = self.list_entries(people)
        return [self.make_finding(self.locations[0], len(entries), "customer")] if entries else []


register_stores(
    AuditEntries(),
    MatchingTexts(
        "access.responses",
        _("responses kept for repeated requests"),
        "access.IdempotentResponse",
        "body",
        "idempotency_key",
        action=TextAction.DELETE,
    ),
    MatchingTexts(
        "access.sessions",
        _("back-office sessions"),
        "access.UserSession",
        "session_data",
        action=TextAction.DELETE,
    ),
    ValkeyKeys("access.celery", _("waiting jobs"), "celery:*", phase=ErasurePhase.INTAKE),
    ValkeyKeys("access.cache", _("cached figures and results"), "cache:*", "variant-cache:*"),
)
register_impersonal(
    table("access.ApiKey"),
    table("access.IdempotentResponse", "api_key", "request_hash"),
    table("access.AuditSeal"),
    table("access.AuditRedaction"),
    table("access.UnsealedEntry"),
    table("access.Role"),
    table("access.UserSession"),
    table("access.TwoFactorDevice"),
    table("access.RecoveryCode"),
    reason="Keys, roles and sessions of staff and programs, and keyed hashes of entries of the audit log.",
)
