"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="settings.jobs",
        model="processing.ProcessingRun",
        order=30,
        menu_permission="django_celery_beat.view_periodictask",
    ),
)
