"""What the loyalty program stores about people."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows
from customers.loyalty.points.append_only import allow_ledger_changes


class LedgerRows(CustomerRows):
    """Entries of the points ledger; erasing a customer is the only deletion that the ledger allows."""

    def erase(self, people: Sequence[Person]) -> int:
        with allow_ledger_changes():
            return super().erase(people)


register_stores(
    LedgerRows(
        "loyalty.points",
        _("loyalty points"),
        "loyalty.PointEntry",
        hidden=("id", "customer", "cause", "order_number", "rate", "currency", "by"),
    ),
    CustomerRows(
        "loyalty.reservations", _("reservations of points"), "loyalty.PointReservation", hidden=("id", "customer")
    ),
    CustomerRows("loyalty.levels", _("changes of the loyalty level"), "loyalty.LevelChange", hidden=("id", "customer")),
    CustomerRows(
        "loyalty.members",
        _("loyalty level and points"),
        "loyalty.LoyaltyMember",
        hidden=("customer", "next_level", "spend_to_next", "orders_to_next"),
    ),
    CustomerRows(
        "loyalty.pending", _("customers waiting for loyalty recalculation"), "loyalty.PendingMember", is_exported=False
    ),
)
register_impersonal(
    table("loyalty.LoyaltyProgram"),
    table("loyalty.LoyaltyLevel"),
    table("loyalty.CategoryBonus"),
    reason="The rules of the program as staff wrote them.",
)
