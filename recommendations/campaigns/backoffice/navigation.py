"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="campaigns.campaigns", model="campaigns.Campaign", order=10),
    MenuList(tab="campaigns.campaigns", model="campaigns.AudienceExport", order=20),
)
