"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="campaigns.campaigns",
        label=_("On-site offers"),
        url_name="onsite_offers:list",
        permission="offers.view_offer",
        order=40,
        details=(
            "onsite_offers:offer",
            "admin:offers_offer_changelist",
            "admin:offers_offer_add",
            "admin:offers_offer_change",
        ),
    ),
)
