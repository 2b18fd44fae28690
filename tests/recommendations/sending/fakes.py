"""Stand-ins of sending's tests: rendering without templates, and customers who can be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from customers.identity.models import Consent, Customer
from tests.makers import make_consent, make_customer


@dataclass
class FakeChoices:
    skip_reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"products": {}, "coupons": {}, "skip_reason": self.skip_reason}


@dataclass
class FakeTemplate:
    """A template that greets by the address."""

    key: str = "welcome"
    fields: frozenset[str] = field(default_factory=frozenset)

    def choose_language(self, language: str) -> str:
        return language or "en"

    def render(self, *, recipient: Any, choices: Any, links: Any, language: str) -> Any:
        link = links.click("https://shop.example/products/1?a=b", "button")
        return SimpleNamespace(
            subject=f"Hello {recipient.name}",
            preheader="",
            html=f'<p>Hello {recipient.name}</p><a href="{link}">Buy</a><img src="{links.open_pixel()}">',
            text=f"Hello {recipient.name}\n{link}\n",
        )


def load_fake_recipients(
    customer_ids: Sequence[int], *, fields: Any, events: Mapping[int, Any], as_of: Any
) -> dict[int, Customer]:
    customers = {customer.pk: customer for customer in Customer.objects.filter(pk__in=customer_ids)}
    for customer in customers.values():
        customer.user_id = f"u{customer.pk}"  # type: ignore[attr-defined]
    return customers


def make_subscriber(email: str, **fields: Any) -> Customer:
    """Create a customer who granted consent to email."""
    customer = make_customer(email=email, **fields)
    make_consent(customer, Consent.Purpose.EMAIL)
    return customer
