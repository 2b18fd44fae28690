"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(tab="data.warehouse", model="warehouse.ExportRun", order=10),
)
