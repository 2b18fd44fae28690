"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="campaigns.results",
        label=_("Past campaigns"),
        url_name="past_campaigns:list",
        permission="past_campaigns.view_pastcampaign",
        order=200,
        details=("past_campaigns:campaign",),
    ),
)
