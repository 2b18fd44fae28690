"""How long unknown visitors and the addresses that browsers claim are kept."""

from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows, preview_moments
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, register_retention
from customers.identity.models import Customer
from customers.identity.signals import customers_deleted

CHUNK = 1_000
# someone only known by a device: without a user ID or address, without an order, and without a decision on consent, which is evidence
IS_UNKNOWN_VISITOR = """
c.last_seen_at < %(before)s AND c.erased_at IS NULL AND c.email = '' AND c.phone = ''
AND EXISTS (SELECT FROM identity_identifier i WHERE i.customer_id = c.id)
AND NOT EXISTS (
    SELECT FROM identity_identifier i WHERE i.customer_id = c.id AND i.kind IN ('user_id', 'email_hash', 'phone_hash')
)
AND NOT EXISTS (SELECT FROM orders_order o WHERE o.customer_id = c.id)
AND NOT EXISTS (SELECT FROM identity_consent s WHERE s.customer_id = c.id)
"""
LAST_VISITS = f"SELECT c.last_seen_at FROM identity_customer c WHERE {IS_UNKNOWN_VISITOR}"  # noqa: S608 — constant
FIND_VISITORS = f"""
SELECT c.id FROM identity_customer c WHERE c.id > %(after)s AND {IS_UNKNOWN_VISITOR}
ORDER BY c.id LIMIT %(chunk)s FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608 — constant
CLAIMS = AgedRows("identity.ContactClaim", "claimed_at")


def preview_visitors(before: datetime) -> RetentionPreview:
    return preview_moments(LAST_VISITS, {"before": before})


def purge_visitors(before: datetime) -> int:
    """Delete unknown visitors with everything that belongs to them; those who are active at the moment stay."""
    deleted, after = 0, 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(FIND_VISITORS, {"before": before, "after": after, "chunk": CHUNK})
                ids = [row[0] for row in cursor.fetchall()]
            if ids:  # rows with a plain customer number do not follow the foreign keys
                customers_deleted.send(sender=Customer, customer_ids=ids)
                Customer.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
        if len(ids) < CHUNK:
            return deleted
        after = ids[-1]


register_retention(
    RetentionKind(
        key="visitors",
        label=gettext_lazy("Visitors without an identity"),
        note=gettext_lazy(
            "Visitors without a customer ID, contact data or order are deleted with their profile after their last visit. "
            "Visitors who have made a consent choice are kept as evidence. Daily figures remain."
        ),
        default_days=400,
        min_days=30,
        preview=preview_visitors,
        purge=purge_visitors,
        order=12,
    ),
    RetentionKind(
        key="contact_claims",
        label=gettext_lazy("Unconfirmed contact data of visitors"),
        note=gettext_lazy(
            "Keyed hashes of email addresses and phone numbers that a browser sent and the shop did not confirm."
        ),
        default_days=30,
        max_days=30,
        preview=CLAIMS.preview,
        purge=CLAIMS.purge,
        order=22,
    ),
)
