"""Finds whose data may be shared when a request is sent, from the consent ledger and the restrictions at that moment."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from customers.destinations.kinds.base import DestinationKind, SharedPerson
from customers.destinations.outbox.streams import STREAMS
from customers.identity.consent.ledger import find_granted
from customers.identity.models import Consent, Customer, Identifier, ProcessingRestriction
from customers.identity.personal_data.masking import is_personal_id

Purpose, Scope = Consent.Purpose, ProcessingRestriction.Scope
RESTRICTED_SCOPES = (Scope.ALL, Scope.MARKETING)


@dataclass(frozen=True)
class StreamRow:
    """The current state of a row: its customer, and the part of it that is sent."""

    customer_id: int | None
    occurred_at: datetime
    content: Mapping[str, Any]


def read_rows(stream: str, ids: Collection[int]) -> dict[int, StreamRow]:
    """Return the rows of a stream by ID; those that were deleted are missing."""
    with connection.cursor() as cursor:
        cursor.execute(STREAMS[stream].content, {"ids": list(ids)})
        return {
            number: StreamRow(customer_id, at, json.loads(content))
            for number, customer_id, at, content in cursor.fetchall()
        }


def list_purposes(kind: type[DestinationKind]) -> list[str]:
    """Return what a customer has to allow before a destination of this kind may get their data."""
    return [Purpose.SHARING.value, *([Purpose.CROSS_BORDER.value] if kind.country else [])]


def find_sharing(customer_ids: Collection[int], kind: type[DestinationKind]) -> set[int]:
    """Return the customers who allow sharing, and also a transfer abroad if the destination is known to be in another country."""
    ids = set(customer_ids)
    if not ids:
        return set()
    purposes = list_purposes(kind)
    granted = find_granted(customer_ids=ids, purposes=purposes)
    allowed = {number for number in ids if all((number, purpose) in granted for purpose in purposes)}
    restricted = ProcessingRestriction.objects.active().filter(customer__in=allowed, scope__in=RESTRICTED_SCOPES)
    return allowed - set(restricted.values_list("customer_id", flat=True))


def read_people(customer_ids: Collection[int]) -> dict[int, SharedPerson]:
    """Return the customers, decrypted; a user ID that is an email address or a phone number is left out."""
    ids = list(customer_ids)
    identifiers = Identifier.objects.filter(customer__in=ids, kind=Identifier.Kind.USER_ID).order_by("-id")
    pairs = identifiers.values_list("customer_id", "value")
    user_ids = {customer_id: value for customer_id, value in pairs if not is_personal_id(value)}
    fields = ("pk", "email", "phone", "name", "country")
    customers = Customer.objects.filter(pk__in=ids, erased_at=None).values_list(*fields)
    return {
        pk: SharedPerson(pk, user_ids.get(pk, ""), email, phone, name, country)
        for pk, email, phone, name, country in customers
    }
