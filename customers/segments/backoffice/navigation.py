"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuPage(
        tab="customers.all",
        label=_("All customers"),
        url_name="customer_list:list",
        permission="lifecycle.view_customerprofile",
        order=10,
        details=("admin:lifecycle_customer",),
    ),
    MenuPage(
        tab="customers.lifecycle",
        label=_("AIPL"),
        url_name="admin:segments_segment_aipl",
        permission="lifecycle.view_customerprofile",
        order=25,
    ),
    MenuList(
        tab="segments.all",
        model="segments.Segment",
        order=10,
        details=(
            "admin:segments_segment_overview",
            "admin:segments_segment_members",
            "admin:segments_segment_explanation",
        ),
        empty=_(
            "A segment is a group of customers who match a condition, such as loyal customers without an order in the last 30 days."
        ),
    ),
)
