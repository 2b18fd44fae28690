"""The pages of this package in the menu of the back office."""

from django.utils.translation import pgettext_lazy

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="home.suggestions",
        label=pgettext_lazy("next steps", "Suggestions"),
        url_name="suggestions:list",
        permission="suggestions.view_suggestiondecision",
    ),
)
