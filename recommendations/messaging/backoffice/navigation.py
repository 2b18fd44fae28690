"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from recommendations.messaging.backoffice.access import VIEW, VIEW_POOL

register_pages(
    MenuPage(
        tab="campaigns.templates",
        label=_("Templates"),
        url_name="message_templates:list",
        permission=VIEW,
        order=10,
        details=tuple(
            f"message_templates:{name}" for name in ("new", "editor", "source", "versions", "checks", "settings")
        ),
    ),
    MenuPage(
        tab="campaigns.templates",
        label=_("Coupons"),
        url_name="message_templates:coupons",
        permission=VIEW_POOL,
        order=20,
        details=("message_templates:coupon-pool", "message_templates:new-pool"),
    ),
)
