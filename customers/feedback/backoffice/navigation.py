"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuPage(
        tab="analytics.feedback",
        label=_("Overview"),
        url_name="feedback:overview",
        permission="feedback.view_review",
        order=1,
    ),
    MenuPage(
        tab="analytics.feedback",
        label=_("Worst-rated products"),
        url_name="feedback:products",
        permission="feedback.view_review",
        order=2,
        details=("feedback:product",),
    ),
    MenuPage(
        tab="analytics.feedback",
        label=_("Worst-rated categories"),
        url_name="feedback:categories",
        permission="feedback.view_review",
        order=3,
        details=("feedback:category",),
    ),
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
        empty=_("Answers to satisfaction surveys (NPS and CSAT) arrive through survey links and the API."),
    ),
)
