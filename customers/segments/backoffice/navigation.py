"""The pages of this package in the menu of the back office."""

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="segments.all",
        model="segments.Segment",
        order=10,
        details=("admin:segments_segment_overview", "admin:segments_segment_members"),
    ),
)
