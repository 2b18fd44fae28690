"""Records what visitors did with an offer that they saw."""

from datetime import datetime
from uuid import UUID

from django.db.models import TextChoices

from recommendations.offers.models import OfferExposure


class Reaction(TextChoices):
    CLICKED = "clicked"
    CLOSED = "closed"


def record_reaction(*, exposure_id: UUID, reaction: Reaction, now: datetime) -> bool:
    """Record the first click or the first closing of an offer; return whether the exposure exists and was shown."""
    shown = OfferExposure.objects.filter(exposure_id=exposure_id, arm=OfferExposure.Arm.SHOWN)
    column = f"{reaction.value}_at"
    return bool(shown.filter(**{f"{column}__isnull": True}).update(**{column: now})) or shown.exists()
