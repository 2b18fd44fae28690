"""Starts, pauses and ends offers."""

from datetime import datetime

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import Offer


class OfferNotReadyError(Exception):
    """The offer cannot be started or paused yet; the message says why."""


def find_period_problem(*, starts_at: datetime | None, ends_at: datetime | None) -> str | Promise:
    """Return what is wrong with a period; empty if it is valid."""
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        return _("The end must be after the start.")
    return ""


def start_offer(*, offer: Offer, now: datetime) -> None:
    """Show the offer from now on, within its period.

    Raises:
        OfferNotReadyError: it has no content, or its period is over.
    """
    if not offer.contents.exists():
        raise OfferNotReadyError(_("Add content in at least one language first."))
    if offer.ends_at is not None and offer.ends_at <= now:
        raise OfferNotReadyError(_("The end of this offer is in the past. Choose a later one."))
    offer.status = Offer.Status.RUNNING
    offer.started_at = offer.started_at or now
    offer.save(update_fields=["status", "started_at"])
    clear_offer_cache()


@transaction.atomic
def pause_offer(*, offer: Offer) -> None:
    """Stop showing the offer; it can be started again. One that is paused or has ended stays as it is.

    Raises:
        OfferNotReadyError: it was never started.
    """
    lock_offer(offer)
    if offer.status == Offer.Status.DRAFT:
        raise OfferNotReadyError(_("Only a running offer can be paused."))
    if offer.status == Offer.Status.RUNNING:
        offer.status = Offer.Status.PAUSED
        offer.save(update_fields=["status"])
        clear_offer_cache()


def lock_offer(offer: Offer) -> None:
    """Lock an offer until the transaction ends, and read it again."""
    offer.refresh_from_db(from_queryset=Offer.objects.select_for_update())
