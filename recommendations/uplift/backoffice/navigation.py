"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(tab="campaigns.uplift", label=_("Uplift"), url_name="uplift:page", permission="campaigns.view_campaign")
)
