"""What orders store about people."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows, IdentifierRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction
from customers.orders.models import Order, OrderLine

LINE_FIELDS = {
    "product__product_id": "product_id",
    "product__title": "title",
    "quantity": "quantity",
    "unit_price": "unit_price",
    "total": "total",
}
KEPT_ORDER = _(
    "Orders with their amounts, products and order IDs, as business records. They are linked to an anonymous "
    "number, so that revenue and campaign results stay correct."
)


class OrdersOfCustomers(CustomerRows):
    """Orders, exported with their source and products."""

    def read_details(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        source, products = str(_("source")), str(_("products"))
        names = Order.objects.filter(pk__in=ids).values_list("pk", "source__name")
        details: dict[int, dict[str, Any]] = {pk: {source: name, products: []} for pk, name in names}
        lines = OrderLine.objects.filter(order_id__in=ids).order_by("order_id", "line_number")
        for order_id, *values in lines.values_list("order_id", *LINE_FIELDS):
            details[order_id][products].append(dict(zip(LINE_FIELDS.values(), values, strict=True)))
        return details


register_stores(
    OrdersOfCustomers(
        "orders.orders",
        _("orders"),
        "orders.Order",
        is_renumbered=True,
        blank={"guest_email_hash": ""},
        hidden=("id", "customer", "guest_email_hash", "source"),
        kept=KEPT_ORDER,
    ),
    IdentifierRows(
        "orders.guest_orders",
        _("guest orders"),
        "orders.Order",
        kinds={"guest_email_hash": ("email_hash",)},
        blank={"guest_email_hash": ""},
        columns=("guest_email_hash",),
        hidden=("id", "customer", "guest_email_hash"),
        kept=KEPT_ORDER,
    ),
    IdentifierRows(
        "orders.events",
        _("log of order events"),
        "orders.OrderEvent",
        kinds={
            "user_id": ("user_id",),
            "anonymous_id": ("anonymous_id",),
            "guest_email_hash": ("email_hash",),
        },
        blank={"user_id": "", "anonymous_id": "", "guest_email_hash": ""},
        hidden=("id", "source", "message_id", "guest_email_hash", "folded"),
        kept=_("What was ordered, refunded and canceled, without the buyer."),
    ),
    MatchingTexts(
        "orders.imports",
        _("reports of order imports"),
        "orders.OrderImport",
        "error",
        "problems",
        action=TextAction.MASK,
    ),
)
register_impersonal(
    table("orders.OrderLine"),
    table("orders.OrderChange"),
    table("orders.OrderImport", "file_name", "error_file", "upload", "options", "mapping", "counts"),
    reason="Products, amounts and changes of orders; settings, file names and counts of imports.",
)
