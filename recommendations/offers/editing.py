"""Starts, pauses and ends offers."""

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.offers.decision import clear_offer_cache
from recommendations.offers.models import Offer


class OfferNotReadyError(Exception):
    """The offer cannot be started yet; the message says what is missing."""


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


def pause_offer(*, offer: Offer) -> None:
    """Stop showing the offer; it can be started again."""
    offer.status = Offer.Status.PAUSED
    offer.save(update_fields=["status"])
    clear_offer_cache()
