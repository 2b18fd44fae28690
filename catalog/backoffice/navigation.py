"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="catalog.products",
        model="catalog.Product",
        order=10,
        empty=_(
            "Recommendations and search need a product catalog: import a file, or fetch a feed from a URL on a schedule."
        ),
        empty_action=(_("Import products"), "imports:list"),
    ),
    MenuList(
        tab="catalog.categories",
        model="catalog.Category",
        order=10,
        empty=_("Categories are created automatically when you import products that use them."),
        empty_action=(_("Import products"), "imports:list"),
    ),
    MenuList(
        tab="catalog.feeds",
        model="catalog.FeedImport",
        order=10,
        empty=_("A scheduled feed is fetched from a URL, so that prices and stock stay current."),
        empty_action=(_("Scheduled feeds"), "imports:feeds"),
    ),
)
