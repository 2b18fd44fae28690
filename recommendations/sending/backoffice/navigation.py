"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="campaigns.outbox",
        label=_("Outbox"),
        url_name="outbox:list",
        permission="sending.view_outboxmessage",
        order=10,
        details=("outbox:message",),
    ),
)
