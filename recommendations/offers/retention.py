"""Ends offers whose time is over, and deletes old exposures and queued offers."""

from datetime import datetime, timedelta

from django.db import connection

from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import Offer, QueuedOffer

CHUNK = 10_000
QUEUED_DAYS = 30  # how long an offer for one customer is kept after it has expired

DELETE_EXPOSURES = """
DELETE FROM offers_offerexposure WHERE id = ANY(ARRAY(
    SELECT id FROM offers_offerexposure
    WHERE offer_id = ANY(ARRAY(SELECT id FROM offers_offer)) AND decided_at < %s LIMIT %s
))
"""


def end_offers(*, now: datetime) -> int:
    """Give offers whose end has passed the status \"ended\"; return how many. Drafts stay drafts."""
    over = Offer.objects.filter(status__in=(Offer.Status.RUNNING, Offer.Status.PAUSED), ends_at__lte=now)
    ended = over.update(status=Offer.Status.ENDED)
    if ended:
        clear_offer_cache()
    return ended


def purge_exposures(*, before: datetime) -> int:
    """Delete exposures older than ``before``, in chunks, so that no decision waits; return how many."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(DELETE_EXPOSURES, [before, CHUNK])
            deleted += cursor.rowcount
            if cursor.rowcount < CHUNK:
                return deleted


def purge_queued_offers(*, now: datetime) -> int:
    """Delete offers for single customers that have expired some time ago."""
    return QueuedOffer.objects.filter(expires_at__lt=now - timedelta(days=QUEUED_DAYS)).delete()[0]
