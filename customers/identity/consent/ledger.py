"""The consent ledger: entries are only added, and the latest entry of each purpose applies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.consent.proofs import ConsentProof
from customers.identity.consent.regions import format_effective_consent, get_consent_rules
from customers.identity.locking import lock_identities
from customers.identity.models import Consent, Customer

PROFILING_PURPOSES = (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION)
READ_EFFECTIVE = """
SELECT c.id, p.purpose FROM identity_customer c CROSS JOIN unnest(%(purposes)s::text[]) AS p (purpose)
WHERE c.id = ANY(%(customers)s::bigint[])
  AND {effective}
""".replace("{effective}", format_effective_consent(customer="c.id", country="c.country", purpose="p.purpose"))


@dataclass(frozen=True)
class EffectiveConsent:
    """What applies to a customer and a purpose, and why.

    reason: "entry" of the ledger, "silence" (no entry, and the region needs none), "missing" (the region needs one) or "outdated" (the
    privacy policy has changed since, so the consent has to be renewed).
    """

    purpose: str
    is_allowed: bool
    reason: str
    entry: Consent | None


def record_consent(
    *,
    customer: Customer,
    purpose: str,
    status: str,
    recorded_at: datetime,
    policy_version: str = "",
    source: str = "",
    lawful_basis: str = Consent.LawfulBasis.CONSENT,
    proof: ConsentProof | None = None,
) -> Consent:
    """Add an entry to the ledger and update the denials that the collector checks."""
    with transaction.atomic():
        lock_identities()
        consent = Consent.objects.create(
            customer=customer,
            purpose=purpose,
            status=status,
            policy_version=policy_version,
            source=source,
            recorded_at=recorded_at,
            lawful_basis=lawful_basis,
            proof=proof.to_json() if proof else {},
        )
        refresh_consent_denials(customer_ids=[customer.pk])
    return consent


@dataclass(frozen=True)
class ConsentChange:
    """An entry to be added, if it changes what applies."""

    customer_id: int
    purpose: str
    status: str
    recorded_at: datetime
    source: str
    policy_version: str = ""
    proof: ConsentProof | None = None


def record_changed_consents(
    *,
    entries: Iterable[tuple[int, str, str]],
    recorded_at: datetime,
    source: str,
    policy_version: str = "",
    proof: ConsentProof | None = None,
) -> int:
    """Add the entries (customer, purpose, status) that change what applies; return how many."""
    return record_consent_changes(
        ConsentChange(customer_id, purpose, status, recorded_at, source, policy_version, proof)
        for customer_id, purpose, status in entries
    )


def record_consent_changes(changes: Iterable[ConsentChange]) -> int:
    """Add the entries that change what applies; return how many. If there are several for one customer and purpose, the last counts.

    A withdrawal of a purpose that is not allowed, and a grant of one that is granted already, change nothing.
    """
    wanted = {(change.customer_id, change.purpose): change for change in changes}
    if not wanted:
        return 0
    with transaction.atomic():
        lock_identities()
        customer_ids = {customer_id for customer_id, _purpose in wanted}
        granted = find_granted(customer_ids=customer_ids, purposes={purpose for _customer, purpose in wanted})
        latest = read_latest_statuses(customer_ids=customer_ids)
        changed = [
            Consent(
                customer_id=change.customer_id,
                purpose=change.purpose,
                status=change.status,
                source=change.source,
                recorded_at=change.recorded_at,
                policy_version=change.policy_version,
                proof=change.proof.to_json() if change.proof else {},
            )
            for key, change in wanted.items()
            if is_change(change.status, latest=latest.get(key, ""), is_allowed=key in granted)
        ]
        Consent.objects.bulk_create(changed)
        refresh_consent_denials(customer_ids={consent.customer_id for consent in changed})
    return len(changed)


def withdraw_consents(
    *,
    customer: Customer,
    purposes: Iterable[str],
    recorded_at: datetime,
    source: str,
    policy_version: str = "",
    proof: ConsentProof | None = None,
) -> int:
    """Add a withdrawal of each purpose that is not withdrawn yet, also of those that nobody has allowed; return how many.

    A refusal of what is not allowed has an effect later: if the region or its rules change, or if a sign-up waits for its confirmation.
    """
    with transaction.atomic():
        lock_identities()
        latest = read_latest_statuses(customer_ids=[customer.pk])
        withdrawn = Consent.Status.WITHDRAWN
        entries = Consent.objects.bulk_create(
            Consent(
                customer=customer,
                purpose=purpose,
                status=withdrawn,
                source=source,
                recorded_at=recorded_at,
                policy_version=policy_version,
                proof=proof.to_json() if proof else {},
            )
            for purpose in purposes
            if latest.get((customer.pk, purpose)) != withdrawn
        )
        refresh_consent_denials(customer_ids=[customer.pk])
    return len(entries)


def is_change(status: str, *, latest: str, is_allowed: bool) -> bool:
    """Return whether an entry changes what applies: a grant does so even if silence allows the purpose, or if the last grant is outdated."""
    if status == Consent.Status.GRANTED:
        return latest != Consent.Status.GRANTED or not is_allowed
    return latest == Consent.Status.GRANTED or is_allowed


def read_latest_statuses(*, customer_ids: Iterable[int]) -> dict[tuple[int, str], str]:
    """Return the latest status of each customer and purpose with entries."""
    latest = (
        Consent.objects.filter(customer__in=set(customer_ids))
        .order_by("customer", "purpose", "-recorded_at", "-id")
        .distinct("customer", "purpose")
    )
    return {
        (customer, purpose): status for customer, purpose, status in latest.values_list("customer", "purpose", "status")
    }


def find_granted(*, customer_ids: Iterable[int], purposes: Iterable[str]) -> set[tuple[int, str]]:
    """Return the pairs of customers and purposes that are allowed, by an entry or by what silence means."""
    parameters = {
        "customers": sorted(set(customer_ids)),
        "purposes": sorted(set(purposes)),
        **get_consent_rules().make_parameters(),
    }
    with connection.cursor() as cursor:
        cursor.execute(READ_EFFECTIVE, parameters)
        return {(customer_id, purpose) for customer_id, purpose in cursor.fetchall()}


def read_latest_consents(*, customer: Customer) -> list[Consent]:
    """Return the current entry of each purpose; a purpose without entries is not included."""
    return list(customer.consents.order_by("purpose", "-recorded_at", "-id").distinct("purpose"))


def read_effective_consents(*, customer: Customer, purposes: Sequence[str]) -> dict[str, EffectiveConsent]:
    """Return what applies to each purpose, and why."""
    return apply_rules(read_latest_consents(customer=customer), country=customer.country, purposes=purposes)


def apply_rules(entries: Iterable[Consent], *, country: str, purposes: Sequence[str]) -> dict[str, EffectiveConsent]:
    """Return what the latest entries mean for each purpose; `EFFECTIVE_CONSENT` does the same in SQL."""
    rules = get_consent_rules()
    latest: Mapping[str, Consent] = {entry.purpose: entry for entry in entries}
    effective = {}
    for purpose in purposes:
        entry = latest.get(purpose)
        is_grant = entry is not None and entry.status == Consent.Status.GRANTED
        is_outdated = is_grant and entry is not None and rules.is_outdated(purpose, entry.recorded_at)
        if entry is not None and not is_outdated:
            effective[purpose] = EffectiveConsent(purpose, is_grant, "entry", entry)
            continue
        is_missing = rules.needs_consent(purpose, country)
        reason = ("outdated" if is_outdated else "missing") if is_missing else "silence"
        effective[purpose] = EffectiveConsent(purpose, not is_missing, reason, entry)
    return effective


def find_customers_without_profiling(*, customer_ids: Iterable[int]) -> set[int]:
    """Return those of the customers who do not allow analytics or personalization."""
    customers = set(customer_ids)
    if not customers:
        return set()
    granted = find_granted(customer_ids=customers, purposes=PROFILING_PURPOSES)
    return {customer for customer in customers if any((customer, name) not in granted for name in PROFILING_PURPOSES)}
