"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="analytics.feedback",
        model="feedback.Review",
        order=10,
        empty=_("Import reviews from a file, or send “Product Reviewed” events."),
        empty_action=(_("Import reviews"), "imports:list"),
    ),
    MenuList(
        tab="analytics.feedback",
        model="feedback.SurveyAnswer",
        order=20,
        empty=_("Answers to satisfaction surveys (NPS and CSAT) arrive through the API."),
    ),
)
