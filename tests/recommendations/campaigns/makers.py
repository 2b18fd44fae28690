"""Campaigns with a published message, and an audience of customers who can be reached."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from customers.identity.models import Customer
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.measurement.assignment import is_held_out
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from tests.makers import NOON, make_consent, make_customer, make_identifier, make_profile, make_segment, numbers


def make_template(*, channel: str = "email", published_at: datetime | None = NOON, **fields: Any) -> MessageTemplate:
    """Create a template with one version, without content, which only rendering needs."""
    number = next(numbers)
    template = MessageTemplate.objects.create(
        key=f"template-{number}", name=f"Template {number}", channel=channel, **fields
    )
    TemplateVersion.objects.create(template=template, number=1, published_at=published_at)
    return template


def make_campaign(segment: Segment | None = None, **fields: Any) -> Campaign:
    """Create a draft that can be launched."""
    number = next(numbers)
    fields = {
        "key": f"campaign-{number}",
        "name": f"Campaign {number}",
        "channel": "email",
        "holdout_share": Decimal("0.5"),
        "salt": "salt",
        **fields,
    }
    if "template" not in fields:
        fields["template"] = make_template(channel=fields["channel"])
    return Campaign.objects.create(segment=segment or make_segment(f"segment-{number}"), **fields)


def make_reachable(number: int, *, start: int = 10**12) -> list[Customer]:
    """Create customers u0, u1, … with an email address and consent; their IDs, on which the holdout group depends, are fixed."""
    customers = []
    for index in range(number):
        customer = make_customer(email=f"u{index}@shop.example", pk=start + index)
        make_identifier(customer, f"u{index}")
        make_profile(customer, stage="loyal")
        make_consent(customer, recorded_at=NOON - timedelta(days=50))
        customers.append(customer)
    return customers


def update_deliveries(sql: str, *parameters: Any) -> int:
    """Change deliveries as the sender and the tracking pages do."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE sending_delivery SET {sql}", parameters)
        return int(cursor.rowcount)


def find_salt(*, share: str, held_out: int) -> str:
    """Return a salt by which this number of all customers is held out, whatever their numbers are."""
    customers = list(Customer.objects.values_list("pk", flat=True))
    for salt in map(str, range(10_000)):
        found = sum(is_held_out(salt=salt, customer_id=pk, share=Decimal(share)) for pk in customers)
        if found == held_out:
            return salt
    raise AssertionError(f"No salt holds out {held_out} of {len(customers)} customers.")
