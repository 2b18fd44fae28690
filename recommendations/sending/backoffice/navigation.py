"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="campaigns.suppressions",
        label=_("Suppressions"),
        url_name="suppressions:list",
        permission="sending.view_suppression",
        order=10,
    ),
    MenuPage(
        tab="campaigns.results",
        label=_("Incremental lift of marketing"),
        url_name="holdout_report:show",
        permission="campaigns.view_campaign",
        order=200,
    ),
    MenuPage(
        tab="settings.sending",
        label=_("Sending"),
        url_name="sending_settings:show",
        permission="sending.change_sendingsettings",
        order=10,
    ),
    MenuPage(
        tab="settings.sending",
        label=_("Channels"),
        url_name="channels:list",
        permission="sending.change_channelaccount",
        order=20,
        details=("channels:account", "channels:test"),
    ),
    MenuPage(
        tab="campaigns.outbox",
        label=_("Outbox"),
        url_name="outbox:list",
        permission="sending.view_outboxmessage",
        order=10,
        details=("outbox:message",),
    ),
    MenuPage(
        tab="campaigns.outbox",
        label=_("Not sent"),
        url_name="outbox:problems",
        permission="sending.view_delivery",
        order=20,
        details=("outbox:problem",),
    ),
)
