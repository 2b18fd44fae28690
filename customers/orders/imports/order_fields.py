"""The fields that the columns of an order file can fill."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# field → its description, in the order of the documentation and the error messages
FIELDS: dict[str, Promise] = {
    "order_id": _("order ID, repeated on each line of the order"),
    "line_number": _("number of the line within its order; without it, lines are numbered in file order"),
    "customer_id": _("the shop's own customer ID; empty for a guest"),
    "email": _("email address of the customer or guest"),
    "placed_at": _("date and time of the order"),
    "product_id": _("product ID"),
    "product_title": _("product title, used for new products"),
    "quantity": _("number of items; negative for returned items"),
    "unit_price": _("price of one item before discounts"),
    "line_discount": _("discount on the line"),
    "line_total": _("amount charged for the line"),
    "currency": _("ISO 4217 code such as EUR"),
    "status": _("placed, cancelled, refunded, partly refunded, or a status of the shop system"),
    "financial_status": _("payment status, as in Shopify"),
    "cancelled_at": _("date and time of the cancellation; empty if not canceled"),
    "order_discount": _("discount on the whole order"),
    "shipping": _("shipping cost of the order"),
    "tax": _("tax on the order"),
    "total": _("amount charged for the order"),
    "refunded": _("amount refunded"),
    "coupon": _("coupon code"),
    "channel": _("sales channel, such as a store"),
    "country": _("the customer's country"),
    "category": _("product category, such as Kitchen > Kettles, used for new products"),
    "brand": _("product brand, used for new products"),
}
REQUIRED_FIELDS = ("order_id", "placed_at", "product_id", "quantity")
PRICE_FIELDS = ("unit_price", "line_total")  # at least one of them is required
