"""The rules that every order must meet, whether it arrives in a file, over REST or as an event.

Each limit and each error text is defined here once.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MAX_LINES = 1000  # of one order over REST or in an event; a file has no such limit
MAX_FUTURE = timedelta(days=1)  # how far ahead of us the clock of a shop may be
# an id that is longer is an error; a descriptive text that is longer is truncated, and an error over REST
ID_LENGTHS = {"order_id": 100, "product_id": 200, "customer_id": 255}
TEXT_LENGTHS = {"product_title": 500, "coupon": 100, "channel": 100, "country": 100, "category": 1000, "brand": 200}
EMAIL_LENGTH = 254


@dataclass(frozen=True)
class NumberFormat:
    """A decimal number as the database stores it: ``digits`` in total, ``places`` of them after the point."""

    digits: int
    places: int

    @property
    def sql_type(self) -> str:
        return f"DECIMAL({self.digits},{self.places})"

    @property
    def step(self) -> Decimal:
        """Return the smallest difference between two numbers of this format."""
        return Decimal(1).scaleb(-self.places)


QUANTITY = NumberFormat(digits=12, places=3)
UNIT_PRICE = NumberFormat(digits=14, places=4)
MONEY = NumberFormat(digits=14, places=2)
# Events have lower limits than the columns: the amounts of several events are added up in one order, and a sum that does
# not fit its column would fail the whole batch.
EVENT_AMOUNT_LIMIT = Decimal("1e10")
EVENT_QUANTITY_LIMIT = Decimal("1e8")

# code → what is wrong and how to fix it
REASONS: dict[str, Promise] = {
    "missing_order_id": _("The order ID is missing."),
    "missing_product": _("The product ID is missing."),
    "missing_quantity": _("The quantity is missing."),
    "missing_price": _("Both the unit price and the line total are missing; set one of them."),
    "missing_date": _("No row of this order has an order date."),
    "too_long": _("The ID is too long."),
    "bad_characters": _(
        "The ID contains a line break or a control character. Remove it, and check for an unclosed quotation mark."
    ),
    "bad_date": _("Not a valid date; use the format 2026-05-17 09:30:00, or choose the date format of the file."),
    "before_founding": _("The date is before the shop was founded; correct the date or the setting SHOP_FOUNDED."),
    "future_date": _("The date is more than one day in the future."),
    "bad_number": _("Not a valid number, or too large; use the format 1234.50."),
    "bad_line_number": _("The line number must be a whole number, 0 or greater."),
    "negative_price": _("The price is negative; use a negative quantity for returned items."),
    "zero_quantity": _("The quantity is zero."),
    "stock_movement": _("A negative quantity without a price is a stock movement, neither a sale nor a return."),
    "total_mismatch": _("The line total is not price × quantity − discount."),
    "unknown_currency": _("Unknown currency; use an ISO 4217 code such as EUR."),
    "unknown_status": _(
        "Unknown status; valid: placed, cancelled, refunded, partly refunded, and the statuses of Shopify and WooCommerce."
    ),
    "unknown_product": _("This product is not in the catalog; import it first, or let the import create products."),
    "duplicate_line": _("Duplicate line number in this order; the first line is kept."),
    "order_conflict": _("This value differs from an earlier row of the same order; the earlier value is kept."),
    "negative_total": _("The order total is negative, but the order is not a return."),
    "refunded_too_large": _(
        "The refunded amount is larger than the order total. Correct it, or add the shipping and tax that the total lacks."
    ),
    "incomplete_order": _("Another line of this order has an error."),
    "wrong_column_count": _("The row has too few or too many values."),
}
