"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="settings.jobs",
        model="processing.ProcessingRun",
        order=30,
        menu_permission="django_celery_beat.view_periodictask",
        empty=_("Incoming events are processed every few seconds. Runs appear here with the first events."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
)
