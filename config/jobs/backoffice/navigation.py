"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.jobs",
        label=_("Jobs"),
        url_name="jobs:list",
        permission="django_celery_beat.view_periodictask",
        order=5,
        details=("jobs:job",),
    ),
)
