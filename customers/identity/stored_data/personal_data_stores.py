"""What identity stores about people."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person, list_customer_ids
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.table_stores import CustomerRows, KindedIdentifierRows
from customers.identity.consent.append_only import allow_ledger_changes
from customers.identity.models import Customer, IdentifierTransfer, IdentityConflict, IdentityMerge

DELETE_CONFLICTS = "DELETE FROM identity_identityconflict WHERE customer_ids && %s::bigint[]"
DELETE_MERGES = (
    "DELETE FROM identity_identitymerge WHERE kept_id = ANY(%(ids)s::bigint[]) OR merged_id = ANY(%(ids)s::bigint[])"
)
DELETE_TRANSFERS = (
    "DELETE FROM identity_identifiertransfer WHERE from_id = ANY(%(ids)s::bigint[]) OR to_id = ANY(%(ids)s::bigint[])"
)
DELETE_CLAIMS = (
    "DELETE FROM identity_contactclaim c USING unnest(%s::text[], %s::text[]) AS i (kind, value)"
    " WHERE c.kind = i.kind AND c.value = i.value"
)


class IdentityHistory(PersonalDataStore):
    """Merges, transfers of identifiers, conflicts and claims of contact data."""

    key = "identity.history"
    label = _("merges, transfers and conflicts of identifiers")
    locations = (
        table("identity.IdentityMerge"),
        table("identity.IdentifierTransfer"),
        table("identity.IdentityConflict"),
        table("identity.ContactClaim"),
    )

    def erase(self, people: Sequence[Person]) -> int:
        ids = list_customer_ids(people)
        pairs = sorted({pair for person in people for pair in person.identifiers})
        erased = 0
        with connection.cursor() as cursor:
            cursor.execute(DELETE_CONFLICTS, [ids])
            erased += cursor.rowcount
            for statement in (DELETE_MERGES, DELETE_TRANSFERS):
                cursor.execute(statement, {"ids": ids})
                erased += cursor.rowcount
            cursor.execute(DELETE_CLAIMS, [[kind for kind, _value in pairs], [value for _kind, value in pairs]])
            erased += cursor.rowcount
        return erased

    def find(self, people: Sequence[Person]) -> list[Finding]:
        ids = list_customer_ids(people)
        counts = {
            self.locations[0]: IdentityMerge.objects.filter(kept__in=ids).count()
            + IdentityMerge.objects.filter(merged_id__in=ids).count(),
            self.locations[1]: IdentifierTransfer.objects.filter(from_id__in=ids).count()
            + IdentifierTransfer.objects.filter(to_id__in=ids).count(),
            self.locations[2]: IdentityConflict.objects.filter(customer_ids__overlap=ids).count(),
        }
        return [self.make_finding(location, count, "customer") for location, count in counts.items() if count]


class ConsentRows(CustomerRows):
    """Consents, whose ledger allows changes only for an erasure or the undo of an import."""

    def erase(self, people: Sequence[Person]) -> int:
        with allow_ledger_changes():
            return super().erase(people)


class CustomerRecords(CustomerRows):
    """The customers themselves: last, because rows that nobody registered would keep them from being deleted."""

    def erase(self, people: Sequence[Person]) -> int:
        # the ORM follows every foreign key, so that no row can hold the customer back
        with allow_ledger_changes():
            deleted, counts = Customer.objects.filter(pk__in=list_customer_ids(people)).delete()
        return counts.get(Customer._meta.label, 0) if deleted else 0

    def export(self, person: Person) -> Iterator[dict[str, Any]]:
        fields = (
            "name",
            "email",
            "phone",
            "birthday",
            "language",
            "country",
            "traits",
            "created_at",
            "first_seen_at",
            "last_seen_at",
        )
        for customer in Customer.objects.filter(pk=person.customer_id):
            labels = {name: str(Customer._meta.get_field(name).verbose_name) for name in fields}  # type: ignore[union-attr]
            yield {labels[name]: value for name in fields if (value := getattr(customer, name)) not in ("", None, {})}


register_stores(
    CustomerRecords(
        "identity.customers",
        _("name, contact data and traits"),
        "identity.Customer",
        column="id",
        phase=ErasurePhase.LAST,
    ),
    KindedIdentifierRows(
        "identity.identifiers",
        _("identifiers"),
        "identity.Identifier",
        hidden=("id", "customer"),
        phase=ErasurePhase.LAST,
    ),
    KindedIdentifierRows(
        "identity.consent_denials", _("denied consents by identifier"), "identity.ConsentDenial", is_exported=False
    ),
    ConsentRows("identity.consents", _("consents"), "identity.Consent", hidden=("id", "customer")),
    IdentityHistory(),
)
register_impersonal(
    table("identity.BlockedIdentifier"),
    reason="Keyed hashes that keep an erased person from being created again; without the key they lead to nobody.",
)
