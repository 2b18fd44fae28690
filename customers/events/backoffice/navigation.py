"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(
        tab="data.sources",
        model="events.Source",
        order=10,
        empty=_(
            "A source is a shop, app or server that sends events. Add one to get a write key and the code for your pages."
        ),
    ),
    MenuPage(
        tab="data.live", label=_("Live events"), url_name="admin:events_live", permission="events.view_event", order=10
    ),
    MenuPage(
        tab="data.live",
        label=_("Events per minute"),
        url_name="admin:events_minutes",
        permission="events.view_event",
        order=20,
    ),
    MenuPage(
        tab="data.live",
        label=_("Events seen"),
        url_name="admin:events_schema",
        permission="events.view_event",
        order=30,
    ),
    MenuList(
        tab="data.rejected",
        model="events.RejectedEvent",
        order=10,
        empty=_(
            "No event was rejected. Events that cannot be used are kept here with the reason; you can correct and replay them."
        ),
    ),
    MenuList(
        tab="data.live",
        model="events.Event",
        label=_("All events"),
        order=30,
        empty=_("No event has arrived. Add a source and install its code in your shop."),
        empty_action=(_("Sources"), "admin:events_source_changelist"),
    ),
)
