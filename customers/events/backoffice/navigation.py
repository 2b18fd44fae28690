"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(tab="data.sources", model="events.Source", order=10),
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
    MenuList(tab="data.rejected", model="events.RejectedEvent", order=10),
    MenuList(tab="data.live", model="events.Event", label=_("All events"), order=30),
)
