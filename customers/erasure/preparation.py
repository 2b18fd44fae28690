"""Makes an erasure effective: after the commit, the customer is no longer recognized, and nothing new is stored about them.

The customer is described, the identifiers are blocked and deleted, and the rows that results count will belong to an anonymous number:
a new customer without data or identifiers.
"""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.foundation.personal_data.person import Person
from customers.erasure.models import ErasedPerson, ErasureRun
from customers.erasure.people import describe_person
from customers.identity.erased.blocked_identifiers import block_identifiers
from customers.identity.locking import lock_identities
from customers.identity.models import Customer, Identifier, IdentityMerge
from customers.identity.signals import customer_erased

PREPARED_AT_ONCE = 50  # people per transaction, which holds the lock of identities
# created_at equals erased_at, which distinguishes the replacement from a customer who had data
CREATE_REPLACEMENT = """
INSERT INTO identity_customer (created_at, erased_at, name, email, phone, birthday, language, country, traits)
VALUES (%(at)s, %(at)s, '', '', '', '', '', '', '{}') RETURNING id
"""
EMPTY_CUSTOMER: dict[str, Any] = {
    "name": "", "email": "", "phone": "", "birthday": "", "language": "", "country": "", "traits": {}, "field_updated_at": {},
    "first_seen_at": None, "last_seen_at": None,
}  # fmt: skip


def prepare_people(run: ErasureRun, *, at: datetime) -> int:
    """Make the erasure of everyone in a run effective; return how many were still to be prepared."""
    prepared = 0
    while waiting := list_waiting(run):
        with transaction.atomic():
            lock_identities()
            for customer_id in waiting:
                prepare_person(run, customer_id, at=at)
            # not `at`: the wait for the lock may have taken longer than what is being stored meanwhile needs to settle
            ErasureRun.objects.filter(pk=run.pk).update(effective_at=timezone.now())
        prepared += len(waiting)
    ErasureRun.objects.filter(pk=run.pk, effective_at=None).update(effective_at=at)
    return prepared


def list_waiting(run: ErasureRun) -> list[int]:
    """Return the next customers of a run who are not described yet."""
    rows = ErasedPerson.objects.filter(run=run, content="").order_by("customer_id")
    return list(rows.values_list("customer_id", flat=True)[:PREPARED_AT_ONCE])


def prepare_person(run: ErasureRun, customer_id: int, *, at: datetime) -> None:
    """Describe, block and empty one customer, in a transaction that holds the lock of identities."""
    customer = Customer.objects.select_for_update().filter(pk=customer_id, erased_at=None).first()
    if customer is None:  # merged, deleted or erased since; whom another process has prepared in this run stays
        dropped, _models = ErasedPerson.objects.filter(run=run, customer_id=customer_id, content="").delete()
        merge = IdentityMerge.objects.filter(merged_id=customer_id, reverted_at=None).order_by("-pk").first()
        if dropped and merge is not None:
            ErasedPerson.objects.bulk_create([ErasedPerson(run=run, customer_id=merge.kept_id)], ignore_conflicts=True)
        return
    with connection.cursor() as cursor:
        cursor.execute(CREATE_REPLACEMENT, {"at": at})
        person = replace(describe_person(customer), replacement_id=int(cursor.fetchone()[0]))
    block_identifiers(person.identifiers, at=at)
    # receivers look the identifiers up, so these are deleted afterwards
    customer_erased.send(sender=Customer, customer_id=customer_id, replacement_id=person.replacement_id, at=at)
    Identifier.objects.filter(customer=customer).delete()
    for name, value in EMPTY_CUSTOMER.items():
        setattr(customer, name, value)
    customer.erased_at = at
    Customer.objects.filter(pk=customer_id).update(**EMPTY_CUSTOMER, erased_at=at)
    ErasedPerson.objects.filter(run=run, customer_id=customer_id).update(content=json.dumps(person.to_json()))


def read_people(run: ErasureRun) -> list[Person]:
    """Return the people of a run; none after the proof, which deletes them."""
    contents = (
        ErasedPerson.objects.filter(run=run)
        .exclude(content="")
        .order_by("customer_id")
        .values_list("content", flat=True)
    )
    return [Person.from_json(json.loads(content)) for content in contents]
