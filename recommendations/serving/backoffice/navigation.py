"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(tab="recommendations.placements", model="serving.PlacementSettings", order=10),
    MenuList(tab="recommendations.placements", model="serving.Preview", order=20),
    MenuPage(
        tab="recommendations.search",
        label=_("Search preview"),
        url_name="admin:serving_search_preview",
        permission="training.view_modelversion",
        order=10,
    ),
    MenuList(
        tab="recommendations.search",
        model="serving.Synonym",
        order=20,
        empty=_("Synonyms let the search find products by other words, such as “sneakers” for “trainers”."),
    ),
    MenuList(tab="recommendations.performance", model="serving.PerformanceDay", order=10),
    MenuList(
        tab="settings.jobs",
        model="serving.PerformanceRun",
        order=40,
        menu_permission="django_celery_beat.view_periodictask",
        empty=_("Impressions, clicks and orders of recommendations are counted by a job. The first run appears here."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
    MenuList(
        tab="settings.jobs",
        model="serving.PositionBiasRun",
        order=50,
        menu_permission="django_celery_beat.view_periodictask",
        empty=_("How often a position is looked at is measured every night from impressions and clicks."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
)
