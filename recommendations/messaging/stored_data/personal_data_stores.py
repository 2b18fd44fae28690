"""Templates, and who got which coupon code."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows

register_stores(
    CustomerRows(
        "messaging.coupons",
        _("coupon codes"),
        "messaging.CouponCode",
        is_renumbered=True,
        hidden=("id", "customer_id", "delivery_id"),
        kept=_(
            "The fact that the code was handed out, under an anonymous number, because it must not be handed out twice."
        ),
    ),
)
register_impersonal(
    table("messaging.MessageTemplate"),
    table("messaging.TemplateVersion"),
    table("messaging.TemplateContent"),
    table("messaging.CouponPool"),
    reason="Templates as staff wrote them.",
)
register_impersonal(
    table("messaging.RedemptionProgress"),
    reason="When orders were last matched with coupon codes.",
)
