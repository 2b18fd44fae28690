"""Denied consents by identifier, derived from the ledger, so that the collector needs one lookup per event."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction

from customers.identity.consent.regions import format_effective_consent, get_consent_rules
from customers.identity.locking import lock_identities
from customers.identity.models import Consent, Identifier
from customers.identity.signals import consent_denied, consent_restored

# the purposes that affect how an event is stored, and the identifiers that an event carries
CHECKED_PURPOSES = (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION)
CHECKED_IDENTIFIER_TYPES = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID, Identifier.Kind.DEVICE_ID)

# Both writing parts see the table as it was before the statement, so `removed` cannot delete what `added` inserts. Added rows are
# inserted in a fixed order, so that two transactions with the same rows wait for each other instead of deadlocking.
REFRESH_DENIALS = """
WITH wanted AS MATERIALIZED (
    SELECT c.id, p.purpose,
           {effective} AS is_allowed
    FROM identity_customer c CROSS JOIN unnest(%(purposes)s::text[]) AS p (purpose)
    WHERE c.id = ANY(%(customers)s::bigint[])
), denied AS MATERIALIZED (
    SELECT i.kind, i.value, w.purpose, coalesce((
        SELECT k.status FROM identity_consent k WHERE k.customer_id = w.id AND k.purpose = w.purpose
        ORDER BY k.recorded_at DESC, k.id DESC LIMIT 1
    ), '') <> 'withdrawn' AS is_silent
    FROM wanted w JOIN identity_identifier i ON i.customer_id = w.id
    WHERE NOT w.is_allowed AND i.kind = ANY(%(kinds)s::text[])
), removed AS (
    DELETE FROM identity_consentdenial r
    USING identity_identifier i
    WHERE i.customer_id = ANY(%(customers)s::bigint[]) AND r.kind = i.kind AND r.value = i.value
      AND (r.kind, r.value, r.purpose) NOT IN (SELECT kind, value, purpose FROM denied)
    RETURNING r.kind, r.value
), added AS (
    INSERT INTO identity_consentdenial AS known (kind, value, purpose, is_silent)
    SELECT kind, value, purpose, is_silent FROM denied ORDER BY kind, value, purpose
    ON CONFLICT (kind, value, purpose) DO UPDATE SET is_silent = excluded.is_silent
        WHERE known.is_silent <> excluded.is_silent
    RETURNING kind, value
)
SELECT true, kind, value FROM added
UNION
SELECT false, kind, value FROM removed WHERE (kind, value) NOT IN (SELECT kind, value FROM denied)
""".replace("{effective}", format_effective_consent(customer="c.id", country="c.country", purpose="p.purpose"))
FIND_DENYING = """
SELECT i.customer_id FROM identity_consentdenial d JOIN identity_identifier i ON i.kind = d.kind AND i.value = d.value
UNION
SELECT customer_id FROM identity_processingrestriction WHERE lifted_at IS NULL AND scope IN ('all', 'profiling')
ORDER BY 1
"""
BLOCK = 5_000
LIST_CUSTOMERS = "SELECT id FROM identity_customer WHERE id > %s AND erased_at IS NULL ORDER BY id LIMIT %s"


def refresh_consent_denials(*, customer_ids: Iterable[int]) -> None:
    """Bring the denials of these customers' identifiers in line with the ledger, inside the caller's transaction.

    A purpose is denied if it was withdrawn, or if the customer's region needs a consent and none is in force. After the commit,
    ``consent_denied`` and ``consent_restored`` report the identifiers that changed.
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
                **get_consent_rules().make_parameters(),
            },
        )
        changes = sorted(cursor.fetchall())
    denied = [(kind, value) for is_denied, kind, value in changes if is_denied]
    restored = [(kind, value) for is_denied, kind, value in changes if not is_denied]
    if denied:
        transaction.on_commit(lambda: consent_denied.send(sender=None, identifiers=denied))
    if restored:
        transaction.on_commit(lambda: consent_restored.send(sender=None, identifiers=restored))


def find_customers_denying_profiling() -> npt.NDArray[np.int64]:
    """Return the customers whose data no model may learn from: (n,), sorted."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_DENYING)
        return np.array([row[0] for row in cursor.fetchall()], np.int64)


def must_ask_strangers() -> bool:
    """Return whether visitors without a country need a consent to analytics or personalization."""
    return any(get_consent_rules().needs_consent(purpose, "") for purpose in CHECKED_PURPOSES)


def refresh_denials_after_commit(*, customer_ids: Iterable[int]) -> None:
    """Update the denials after the commit, for callers that must not wait for the identity lock with their locks; a nightly job repeats it."""
    customers = sorted(set(customer_ids))
    if customers and any(get_consent_rules().must_ask(purpose) for purpose in CHECKED_PURPOSES):
        transaction.on_commit(lambda: refresh_denials_in_blocks(customers))


def refresh_denials_in_blocks(customer_ids: Sequence[int]) -> None:
    """Bring the denials of many customers in line, a block in each transaction."""
    for start in range(0, len(customer_ids), BLOCK):
        with transaction.atomic():
            lock_identities()
            refresh_consent_denials(customer_ids=customer_ids[start : start + BLOCK])


def refresh_all_consent_denials() -> int:
    """Bring the denials of all customers in line with the ledger and the settings; return how many customers were read."""
    total = last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(LIST_CUSTOMERS, [last, BLOCK])
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return total
        refresh_denials_in_blocks(ids)
        total, last = total + len(ids), ids[-1]
