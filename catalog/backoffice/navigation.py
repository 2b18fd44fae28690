"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="catalog.products", model="catalog.Product", order=10),
    MenuList(tab="catalog.categories", model="catalog.Category", order=10),
    MenuList(tab="catalog.feeds", model="catalog.FeedImport", order=10),
)
