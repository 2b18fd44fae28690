"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(
        tab="campaigns.campaigns",
        model="campaigns.Campaign",
        order=10,
        details=(
            "admin:campaigns_campaign_add",
            "admin:campaigns_campaign_change",
            "admin:campaigns_campaign_edit",
            "admin:campaigns_campaign_people",
            "admin:campaigns_campaign_preview",
        ),
        empty=_(
            "A campaign sends a message to a segment, once or repeatedly, and measures its incremental lift. Choose a segment, a message and "
            "a time."
        ),
        empty_action=(_("Show the segments"), "admin:segments_segment_changelist"),
    ),
    MenuList(
        tab="campaigns.campaigns",
        model="campaigns.AudienceExport",
        order=20,
        empty=_(
            "Each download of a campaign's audience as CSV is listed here, with the number of customers in it and in the holdout group. "
            "Open a campaign and download its audience."
        ),
        empty_action=(_("Show the campaigns"), "admin:campaigns_campaign_changelist"),
    ),
    MenuPage(
        tab="campaigns.calendar",
        label=_("Calendar"),
        url_name="admin:campaigns_calendar",
        permission="campaigns.view_campaign",
    ),
    MenuPage(
        tab="campaigns.results",
        label=_("Results"),
        url_name="admin:campaigns_results",
        permission="campaigns.view_campaign",
    ),
)
