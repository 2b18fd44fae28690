"""How long shown offers are kept."""

from django.conf import settings
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention
from recommendations.offers import retention

QUEUED = AgedRows("offers.QueuedOffer", "expires_at")

register_retention(
    RetentionKind(
        key="offer_exposures",
        label=gettext_lazy("Exposures to on-site offers"),
        note=gettext_lazy(
            "All but each customer's first exposure to an offer are then deleted. Exposures of unknown visitors are "
            "deleted after the offer has ended."
        ),
        default_days=settings.IMPRESSION_RETENTION_DAYS,
        min_days=30,
        preview=retention.preview_exposures,
        purge=lambda before: retention.purge_exposures(before=before),
        order=32,
    ),
    RetentionKind(
        key="queued_offers",
        label=gettext_lazy("Expired offers for one customer"),
        note=gettext_lazy("Offers that a flow chose for a customer and that expired before they were shown."),
        default_days=retention.QUEUED_DAYS,
        preview=QUEUED.preview,
        purge=QUEUED.purge,
        order=33,
    ),
)
