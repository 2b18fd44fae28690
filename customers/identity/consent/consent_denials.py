"""Which identifiers' people refuse what is asked at every event; follows from the ledger, so that one look-up answers it."""

from collections.abc import Iterable

from django.db import connection, transaction

from customers.identity.models import Consent, Identifier
from customers.identity.signals import consent_refused, consent_returned

# the purposes that decide what becomes of an event, and the identifiers that an event carries
PURPOSES = (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION)
KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID, Identifier.Kind.DEVICE_ID)

REFUSED_NOW = """
WITH latest AS (
    SELECT DISTINCT ON (customer_id, purpose) customer_id, purpose, status
    FROM identity_consent
    WHERE customer_id = ANY(%(customers)s::bigint[]) AND purpose = ANY(%(purposes)s::text[])
    ORDER BY customer_id, purpose, recorded_at DESC, id DESC
), refused AS (
    SELECT i.kind, i.value, latest.purpose
    FROM latest JOIN identity_identifier i USING (customer_id)
    WHERE latest.status = 'withdrawn' AND i.kind = ANY(%(kinds)s::text[])
), gone AS (
    DELETE FROM identity_consentrefusal r
    USING identity_identifier i
    WHERE i.customer_id = ANY(%(customers)s::bigint[]) AND r.kind = i.kind AND r.value = i.value
      AND (r.kind, r.value, r.purpose) NOT IN (SELECT kind, value, purpose FROM refused)
    RETURNING r.kind, r.value
), added AS (
    INSERT INTO identity_consentrefusal (kind, value, purpose)
    SELECT kind, value, purpose FROM refused ORDER BY kind, value, purpose
    ON CONFLICT DO NOTHING
    RETURNING kind, value
)
SELECT true, kind, value FROM added
UNION
SELECT false, kind, value FROM gone WHERE (kind, value) NOT IN (SELECT kind, value FROM refused)
"""


def rewrite_refusals(*, customer_ids: Iterable[int]) -> None:
    """Makes the refusals of these customers' identifiers what the ledger says; inside the caller's transaction.

    Whoever keeps something about those who refuse from now on, or do not any more, is told after the commit.
    """
    customers = sorted(set(customer_ids))
    if not customers:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            REFUSED_NOW,
            {
                "customers": customers,
                "purposes": [purpose.value for purpose in PURPOSES],
                "kinds": [kind.value for kind in KINDS],
            },
        )
        found = sorted(cursor.fetchall())
    refused = [(kind, value) for is_refused, kind, value in found if is_refused]
    returned = [(kind, value) for is_refused, kind, value in found if not is_refused]
    if refused:
        transaction.on_commit(lambda: consent_refused.send(sender=None, identifiers=refused))
    if returned:
        transaction.on_commit(lambda: consent_returned.send(sender=None, identifiers=returned))
