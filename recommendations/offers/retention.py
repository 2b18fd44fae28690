"""Ends offers whose time is over, and deletes old exposures and queued offers.

The first exposure of each customer is never deleted: the results of the offer, and the group in which a visitor stays, are computed from it.
A new visitor's first exposure has no customer: it is kept if the device belongs to one now. That of other visitors is kept while the
offer can still be shown.
"""

from datetime import datetime
from itertools import batched

from django.db import connection

from config.foundation.retention.aged_rows import preview_moments
from config.foundation.retention.kinds import RetentionPreview
from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import Offer, OfferExposure

CHUNK = 10_000
QUEUED_DAYS = 30  # how long an offer for one customer is kept after it has expired

# anonymous_id <> '' is the condition of the index on the anonymous ID, without which every exposure reads all others of the offer
FIND_OLD_EXPOSURES = """
SELECT e.id FROM offers_offer o JOIN offers_offerexposure e ON e.offer_id = o.id AND e.decided_at < %(before)s
WHERE e.customer_id IS NULL AND (e.anonymous_id = '' OR o.status = 'ended' AND o.ends_at < %(before)s AND NOT EXISTS (
       SELECT FROM identity_identifier i WHERE i.kind = 'anonymous_id' AND i.value = e.anonymous_id))
   OR e.customer_id IS NOT NULL AND EXISTS (
       SELECT FROM offers_offerexposure first WHERE first.offer_id = e.offer_id AND first.customer_id = e.customer_id
         AND (first.decided_at, first.id) < (e.decided_at, e.id))
   OR e.customer_id IS NULL AND e.anonymous_id <> '' AND EXISTS (
       SELECT FROM offers_offerexposure first WHERE first.offer_id = e.offer_id AND first.anonymous_id = e.anonymous_id
         AND first.anonymous_id <> '' AND first.customer_id IS NULL AND (first.decided_at, first.id) < (e.decided_at, e.id))
"""
MAX_FOUND = 200_000


def end_offers(*, now: datetime) -> int:
    """Give offers whose end has passed the status \"ended\"; return how many. Drafts stay drafts."""
    over = Offer.objects.filter(status__in=(Offer.Status.RUNNING, Offer.Status.PAUSED), ends_at__lte=now)
    ended = over.update(status=Offer.Status.ENDED)
    if ended:
        clear_offer_cache()
    return ended


def purge_exposures(*, before: datetime) -> int:
    """Delete exposures older than ``before`` except first ones, in chunks, so that no decision waits; return how many."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(f"{FIND_OLD_EXPOSURES} LIMIT %(limit)s", {"before": before, "limit": MAX_FOUND})
            found_ids = [row[0] for row in cursor.fetchall()]
        for ids in batched(found_ids, CHUNK):
            OfferExposure.objects.filter(pk__in=ids).delete()
        deleted += len(found_ids)
        if len(found_ids) < MAX_FOUND:
            return deleted


def preview_exposures(before: datetime) -> RetentionPreview:
    """Return how many exposures would be deleted, and the oldest one."""
    return preview_moments(FIND_OLD_EXPOSURES.replace("e.id", "e.decided_at", 1), {"before": before})
