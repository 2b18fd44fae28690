"""Claims due deliveries, and loads what the checks need to know about their customers: two statements for any number."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from customers.identity.consent.regions import format_effective_consent, get_consent_rules
from customers.identity.personal_data.encrypted_field import decrypt
from recommendations.sending.channels.registry import CHANNELS

WECOM_TRAIT = "wecom_external_userid"

LIST_PRIORITIES = """
WITH RECURSIVE priorities AS (
    (SELECT priority FROM sending_delivery WHERE status = 'pending' AND NOT is_paused ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT d.priority FROM sending_delivery d
            WHERE d.status = 'pending' AND NOT d.is_paused AND d.priority < p.priority ORDER BY d.priority DESC LIMIT 1)
    FROM priorities p WHERE p.priority IS NOT NULL
)
SELECT priority FROM priorities WHERE priority IS NOT NULL
"""
SELECT_DUE = """
SELECT d.id, d.origin_kind, d.origin_id, d.customer_id, d.template_version_id, d.channel, d.is_transactional, d.due_at,
       d.expires_at, d.attempts, d.reserved, d.event
FROM sending_delivery d
WHERE d.status = 'pending' AND NOT d.is_paused AND d.priority = %s AND d.due_at <= %s
  AND NOT EXISTS (
      SELECT FROM sending_originstate s
      WHERE s.origin_kind = d.origin_kind AND s.origin_id = d.origin_id AND s.state <> 'resuming'
  )
ORDER BY d.due_at, d.id LIMIT %s FOR UPDATE OF d SKIP LOCKED
"""
SELECT_CUSTOMERS = """
SELECT c.id, c.email, c.phone, c.country, coalesce(c.traits ->> 'time_zone', c.traits ->> 'timezone', ''),
       coalesce(c.traits ->> 'wecom_external_userid', ''),
       coalesce((
           SELECT jsonb_build_array(p.endpoint, p.public_key, p.auth_secret)::text FROM sending_pushsubscription p
           WHERE p.customer_id = c.id ORDER BY p.id DESC LIMIT 1
       ), ''),
       c.erased_at IS NOT NULL,
       ARRAY(
           SELECT purpose FROM unnest(%(purposes)s::text[]) AS wanted (purpose)
           WHERE {effective}
       ),
       ARRAY(
           SELECT r.scope FROM identity_processingrestriction r WHERE r.customer_id = c.id AND r.lifted_at IS NULL
       )
FROM identity_customer c WHERE c.id = ANY(%(customers)s)
""".replace("{effective}", format_effective_consent(customer="c.id", country="c.country", purpose="wanted.purpose"))


@dataclass(slots=True)
class CustomerState:
    """What the checks know about a customer; addresses are decrypted when they are needed."""

    email: str
    phone: str
    country: str
    time_zone: str
    wecom: str
    push: str
    is_erased: bool
    granted: frozenset[str]
    restrictions: frozenset[str] = frozenset()


@dataclass(slots=True)
class DueDelivery:
    """A due delivery that is being decided.

    status, skip_reason, postponed_to: the decision; "sending" until a check decides otherwise.
    """

    id: int
    origin_kind: str
    origin_id: int
    customer_id: int
    template_version_id: int
    channel: str
    is_transactional: bool
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    reserved: int
    event: dict[str, Any]
    customer: CustomerState | None = None
    address: str = ""
    status: str = "sending"
    skip_reason: str = ""
    postponed_to: datetime | None = field(default=None)

    @property
    def is_open(self) -> bool:
        return self.status == "sending"

    def skip(self, reason: str) -> None:
        self.status, self.skip_reason = "skipped", reason

    def postpone(self, until: datetime) -> None:
        """Wait until later; a message that expires before then is skipped."""
        if self.expires_at is not None and until >= self.expires_at:
            self.skip("quiet_hours")
        else:
            self.status, self.postponed_to = "pending", until


def lock_due_deliveries(*, now: datetime, limit: int) -> list[DueDelivery]:
    """Lock due deliveries until the transaction ends, highest priority first; those that another worker has locked are left out."""
    with connection.cursor() as cursor:
        cursor.execute(LIST_PRIORITIES)
        priorities = [row[0] for row in cursor.fetchall()]
        rows: list[tuple[Any, ...]] = []
        for priority in priorities:
            cursor.execute(SELECT_DUE, [priority, now, limit - len(rows)])
            rows += cursor.fetchall()
            if len(rows) >= limit:
                break
    return [DueDelivery(*(*row[:11], _decode(row[11]))) for row in rows]


def load_customers(candidates: Sequence[DueDelivery]) -> None:
    """Load the state of each candidate's customer; it stays None for one who no longer exists."""
    purposes = sorted({CHANNELS[channel].purpose for channel in {c.channel for c in candidates} if channel in CHANNELS})
    states = read_customer_states(
        (candidate.customer_id for candidate in candidates), purposes=[purpose for purpose in purposes if purpose]
    )
    for candidate in candidates:
        candidate.customer = states.get(candidate.customer_id)


def read_customer_states(customer_ids: Iterable[int], *, purposes: Sequence[str]) -> dict[int, CustomerState]:
    """Return the state of each customer who exists, including which of the purposes they have granted."""
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"purposes": list(purposes), "customers": sorted(set(customer_ids))}
        cursor.execute(SELECT_CUSTOMERS, parameters | get_consent_rules().make_parameters())
        rows = cursor.fetchall()
    return {row[0]: CustomerState(*(*row[1:8], frozenset(row[8]), frozenset(row[9]))) for row in rows}


def read_address(customer: CustomerState, field_name: str) -> str:
    """Return the decrypted address of a channel; empty if there is none."""
    if field_name == "push" and customer.push:
        endpoint, public_key, auth_secret = json.loads(customer.push)
        return json.dumps([decrypt(endpoint), public_key, decrypt(auth_secret)])
    if field_name == "wecom":
        return customer.wecom
    encrypted = {"email": customer.email, "phone": customer.phone}.get(field_name, "")
    return decrypt(encrypted) if encrypted else ""


def _decode(value: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return decoded
