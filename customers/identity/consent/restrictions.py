"""Restrictions of processing (GDPR Article 18) and objections to profiling and marketing (Article 21), effective immediately.

Each withdraws the consents of the purposes it covers, which the collector, recommendations and sending already follow, and adds a row that
segments, scores and sending also check. Lifting it restores the consents that it withdrew, unless the customer has changed them since, or
another restriction still covers them: that one then restores them.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from psycopg import sql

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.consent.ledger import PROFILING_PURPOSES, read_effective_consents, read_latest_consents
from customers.identity.locking import lock_identities
from customers.identity.models import Consent, Customer, ProcessingRestriction
from customers.identity.signals import processing_restricted

Scope = ProcessingRestriction.Scope
MESSAGE_PURPOSES = (Consent.Purpose.EMAIL, Consent.Purpose.SMS, Consent.Purpose.PUSH)
PURPOSES: dict[str, tuple[str, ...]] = {
    Scope.ALL: tuple(Consent.Purpose),
    Scope.PROFILING: (*PROFILING_PURPOSES,),
    Scope.MARKETING: MESSAGE_PURPOSES,
}
PROFILING_SCOPES = (Scope.ALL, Scope.PROFILING)

# A condition of SQL statements on a column of customer ids, with the scopes that exclude a customer.
NOT_RESTRICTED = sql.SQL(
    "NOT EXISTS (SELECT FROM identity_processingrestriction limited "
    "WHERE limited.customer_id = {customer} AND limited.lifted_at IS NULL AND limited.scope IN ({scopes}))"
)


def build_unrestricted_sql(customer: str, *, scopes: Sequence[str] = (Scope.ALL,)) -> sql.Composed:
    """Return the condition that a column such as ``c.id`` is of a customer without a restriction of these scopes."""
    return NOT_RESTRICTED.format(
        customer=sql.Identifier(*customer.split(".")),
        scopes=sql.SQL(", ").join(sql.Literal(str(scope)) for scope in scopes),
    )


def build_restricted_filter(*, scopes: Sequence[str] = (Scope.ALL,), outer: str = "pk") -> Exists:
    """Return the condition that a customer of a query set has a restriction of these scopes."""
    return Exists(ProcessingRestriction.objects.active().filter(customer=OuterRef(outer), scope__in=scopes))


def restrict_processing(*, customer: Customer, scope: str, at: datetime, source: str) -> ProcessingRestriction:
    """Limit what may be done with a customer's data from now on; a repetition changes nothing."""
    with transaction.atomic():
        lock_identities()
        known = ProcessingRestriction.objects.active().filter(customer=customer, scope=scope).first()
        if known is not None:
            return known
        latest = {consent.purpose: consent for consent in read_latest_consents(customer=customer)}
        withdrawn = [
            purpose
            for purpose in PURPOSES[scope]
            if purpose not in latest or latest[purpose].status != Consent.Status.WITHDRAWN
        ]
        record_entries(customer, withdrawn, Consent.Status.WITHDRAWN, at=at, source=source)
        granted = {
            purpose: latest[purpose].policy_version
            for purpose in withdrawn
            if purpose in latest and latest[purpose].status == Consent.Status.GRANTED
        }
        restriction = ProcessingRestriction.objects.create(
            customer=customer, scope=scope, since=at, source=source[:100], withdrawn=granted
        )
        processing_restricted.send(sender=None, customer_id=customer.pk, scope=scope, at=at)
    return restriction


def lift_restriction(*, restriction: ProcessingRestriction, at: datetime, source: str) -> list[str]:
    """End a restriction; return the purposes that are granted again.

    Only what was granted before it is. Where silence had allowed a purpose, the withdrawal stays until the customer grants it: an entry of
    the ledger cannot be taken back, and a grant must not be invented.
    """
    with transaction.atomic():
        lock_identities()
        customer = restriction.customer
        restriction.lifted_at = at
        restriction.save(update_fields=["lifted_at"])
        covered = hand_over_withdrawn(restriction)
        # a consent may have been withdrawn by an earlier restriction that handed it over
        sources = set(ProcessingRestriction.objects.filter(customer=customer).values_list("source", flat=True))
        latest = {consent.purpose: consent for consent in read_latest_consents(customer=customer)}
        restored = [
            purpose
            for purpose in restriction.withdrawn
            if purpose not in covered and purpose in latest and latest[purpose].source in sources
        ]
        record_entries(customer, restored, Consent.Status.GRANTED, at=at, source=source, versions=restriction.withdrawn)
    return restored


def hand_over_withdrawn(lifted: ProcessingRestriction) -> set[str]:
    """Let another active restriction restore later what it still covers; return the purposes that remain covered."""
    covered: set[str] = set()
    for other in read_active_restrictions(customer=lifted.customer):
        kept = {name: version for name, version in lifted.withdrawn.items() if name in PURPOSES[other.scope]}
        if kept:
            other.withdrawn = {**kept, **other.withdrawn}
            other.save(update_fields=["withdrawn"])
        covered.update(PURPOSES[other.scope])
    return covered


def record_entries(
    customer: Customer,
    purposes: Iterable[str],
    status: str,
    *,
    at: datetime,
    source: str,
    versions: dict[str, str] | None = None,
) -> None:
    """Add entries to the consent ledger and update the denials."""
    Consent.objects.bulk_create(
        Consent(
            customer=customer,
            purpose=purpose,
            status=status,
            policy_version=(versions or {}).get(purpose, ""),
            source=source[:100],
            recorded_at=at,
        )
        for purpose in purposes
    )
    refresh_consent_denials(customer_ids=[customer.pk])


def read_active_restrictions(*, customer: Customer) -> list[ProcessingRestriction]:
    """Return what limits the processing of a customer's data now, the oldest first."""
    return list(ProcessingRestriction.objects.active().filter(customer=customer).order_by("since", "pk"))


def has_agreed_since_objecting(*, customer: Customer, restrictions: Collection[str]) -> bool:
    """Return whether a customer who objected to marketing, which withdrew all consents to messages, has since granted one again.

    Such a consent allows advertising on its channel, unless all processing is restricted.

    Args:
        restrictions: the scopes of the customer's active restrictions.
    """
    if Scope.MARKETING not in restrictions or Scope.ALL in restrictions:
        return False
    return any(
        consent.is_allowed for consent in read_effective_consents(customer=customer, purposes=MESSAGE_PURPOSES).values()
    )


def find_restricted_customers(*, customer_ids: Iterable[int], scopes: Sequence[str] = (Scope.ALL,)) -> set[int]:
    """Return those of the customers who have a restriction of one of the scopes."""
    rows = ProcessingRestriction.objects.active().filter(customer_id__in=list(customer_ids), scope__in=scopes)
    return set(rows.values_list("customer_id", flat=True))
