"""Denied consents by identifier, derived from the ledger, so that the collector needs one lookup per event."""

from collections.abc import Iterable

from django.db import connection, transaction

from customers.identity.models import Consent, Identifier
from customers.identity.signals import consent_denied, consent_restored

# the purposes that affect how an event is stored, and the identifiers that an event carries
CHECKED_PURPOSES = (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION)
CHECKED_IDENTIFIER_TYPES = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID, Identifier.Kind.DEVICE_ID)

# Both writing parts see the table as it was before the statement, so `removed` cannot delete what `added` inserts. Added rows are
# inserted in a fixed order, so that two transactions with the same rows wait for each other instead of deadlocking.
REFRESH_DENIALS = """
WITH latest AS (
    SELECT DISTINCT ON (customer_id, purpose) customer_id, purpose, status
    FROM identity_consent
    WHERE customer_id = ANY(%(customers)s::bigint[]) AND purpose = ANY(%(purposes)s::text[])
    ORDER BY customer_id, purpose, recorded_at DESC, id DESC
), denied AS (
    SELECT i.kind, i.value, latest.purpose
    FROM latest JOIN identity_identifier i USING (customer_id)
    WHERE latest.status = 'withdrawn' AND i.kind = ANY(%(kinds)s::text[])
), removed AS (
    DELETE FROM identity_consentdenial r
    USING identity_identifier i
    WHERE i.customer_id = ANY(%(customers)s::bigint[]) AND r.kind = i.kind AND r.value = i.value
      AND (r.kind, r.value, r.purpose) NOT IN (SELECT kind, value, purpose FROM denied)
    RETURNING r.kind, r.value
), added AS (
    INSERT INTO identity_consentdenial (kind, value, purpose)
    SELECT kind, value, purpose FROM denied ORDER BY kind, value, purpose
    ON CONFLICT DO NOTHING
    RETURNING kind, value
)
SELECT true, kind, value FROM added
UNION
SELECT false, kind, value FROM removed WHERE (kind, value) NOT IN (SELECT kind, value FROM denied)
"""


def refresh_consent_denials(*, customer_ids: Iterable[int]) -> None:
    """Bring the denials of these customers' identifiers in line with the ledger, inside the caller's transaction.

    After the commit, ``consent_denied`` and ``consent_restored`` report the identifiers that changed.
    """
    customers = sorted(set(customer_ids))
    if not customers:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            REFRESH_DENIALS,
            {
                "customers": customers,
                "purposes": [purpose.value for purpose in CHECKED_PURPOSES],
                "kinds": [kind.value for kind in CHECKED_IDENTIFIER_TYPES],
            },
        )
        changes = sorted(cursor.fetchall())
    denied = [(kind, value) for is_denied, kind, value in changes if is_denied]
    restored = [(kind, value) for is_denied, kind, value in changes if not is_denied]
    if denied:
        transaction.on_commit(lambda: consent_denied.send(sender=None, identifiers=denied))
    if restored:
        transaction.on_commit(lambda: consent_restored.send(sender=None, identifiers=restored))
