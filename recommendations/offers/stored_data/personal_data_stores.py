"""Who was offered what."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows, IdentifierRows

SHOWN_KEPT = _("The fact that the offer was shown and clicked, under an anonymous number.")

register_stores(
    CustomerRows(
        "offers.queued",
        _("offers queued for a customer"),
        "offers.QueuedOffer",
        hidden=("id", "customer", "origin_id"),
    ),
    CustomerRows(
        "offers.exposures",
        _("offers shown"),
        "offers.OfferExposure",
        is_renumbered=True,
        blank={"anonymous_id": ""},
        hidden=("id", "customer"),
        kept=SHOWN_KEPT,
    ),
    IdentifierRows(
        "offers.visitor_exposures",
        _("offers shown to a visitor"),
        "offers.OfferExposure",
        kinds={"anonymous_id": ("anonymous_id",)},
        blank={"anonymous_id": ""},
        columns=("anonymous_id",),
        hidden=("id", "customer"),
        kept=SHOWN_KEPT,
    ),
)
register_impersonal(table("offers.Offer"), table("offers.OfferContent"), reason="Offers as staff defined them.")
