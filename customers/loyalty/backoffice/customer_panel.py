"""The loyalty tab of the customer page: level, distance to the next one, points, statement and level changes."""

from dataclasses import dataclass
from datetime import datetime

from config.foundation.number_formats import format_money
from customers.identity.models import Customer
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.loyalty.models import LevelChange, LoyaltyMember, LoyaltyProgram, PointEntry
from customers.loyalty.program import load_program
from customers.orders.models import Order

MAX_ENTRIES = 50
MAX_CHANGES = 20


@dataclass(frozen=True)
class LoyaltyPanel:
    """What the tab shows.

    Attributes:
        member: None for a customer who was never counted. is_uncounted: whether this customer has orders and waits for the first count.
    """

    customer_id: int
    member: LoyaltyMember | None
    program: LoyaltyProgram
    entries: list[PointEntry]
    changes: list[LevelChange]
    spend: str = ""
    spend_to_next: str = ""
    is_uncounted: bool = False

    @property
    def available(self) -> int:
        return max(self.member.available, 0) if self.member else 0

    @property
    def is_truncated(self) -> bool:
        return len(self.entries) == MAX_ENTRIES


def build_loyalty_panel(customer: Customer, as_of: datetime) -> LoyaltyPanel:
    """Return the state of a member with the newest entries and changes."""
    member = LoyaltyMember.objects.select_related("level", "next_level").filter(pk=customer.pk).first()
    currency = get_amount_currency()
    changes = LevelChange.objects.filter(customer=customer).select_related("from_level", "to_level")
    return LoyaltyPanel(
        customer.pk,
        member,
        load_program(),
        list(PointEntry.objects.filter(customer=customer).order_by("-id")[:MAX_ENTRIES]),
        list(changes.order_by("-id")[:MAX_CHANGES]),
        format_money(member.spend, currency) if member else "",
        format_money(member.spend_to_next, currency) if member and member.spend_to_next is not None else "",
        is_uncounted=member is None and Order.objects.filter(customer=customer).exists(),
    )


def get_customer_id(customer: Customer, as_of: datetime) -> int:
    return customer.pk
