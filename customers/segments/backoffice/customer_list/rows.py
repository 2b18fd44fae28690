"""The rows of the customers list; names follow the masking policy, and the audit log records reads of personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.timezone import localtime

from config.foundation.number_formats import (
    NO_VALUE,
    format_age,
    format_full_day,
    format_whole_money,
    format_whole_percent,
)
from customers.identity.consent.ledger import find_customers_without_profiling
from customers.lifecycle.backoffice.customer_names import PERSONAL_LOOKUPS, get_customer_name, read_names
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile, Stage
from customers.segments.membership import find_segments_of_customers
from customers.segments.models import Segment

SHOWN_SEGMENTS = 3
BADGES: Mapping[str, str] = {
    Stage.NEW: "good",
    Stage.ACTIVE: "good",
    Stage.LOYAL: "good",
    Stage.REACTIVATED: "good",
    Stage.AT_RISK: "warns",
    Stage.DORMANT: "warns",
    Stage.CHURNED: "bad",
}


@dataclass(frozen=True)
class CustomerRow:
    """A row of the list. detail: the user ID below a name. is_withheld: consent withholds what is derived from behavior."""

    pk: int
    name: str
    detail: str
    url: str
    stage: str
    badge: str
    value: str
    last_order: str
    last_order_day: str
    churn: str
    is_withheld: bool
    segments: Sequence[Segment]
    more_segments: Sequence[Segment]


def make_rows(ids: Sequence[int], *, as_of: datetime, with_personal: bool, with_segments: bool) -> list[CustomerRow]:
    """Return the rows in the order of the IDs, in a constant number of queries."""
    profiles = (
        CustomerProfile.objects.select_related("customer")
        .prefetch_related("customer__identifiers")
        .defer(*PERSONAL_LOOKUPS, "customer__traits")
        .in_bulk(ids)
    )
    names = read_names(ids) if with_personal else {}
    segments = find_segments_of_customers(customer_ids=ids, as_of=as_of) if with_segments else {}
    currency = get_amount_currency()
    withheld = find_customers_without_profiling(customer_ids=ids)
    return [
        make_row(
            profiles[pk],
            name=names.get(pk, ""),
            segments=segments.get(pk, []),
            is_withheld=pk in withheld,
            currency=currency,
            as_of=as_of,
            with_personal=with_personal,
        )
        for pk in ids
        if pk in profiles
    ]


def make_row(
    profile: CustomerProfile,
    *,
    name: str,
    segments: Sequence[Segment],
    is_withheld: bool,
    currency: str,
    as_of: datetime,
    with_personal: bool,
) -> CustomerRow:
    customer_id = get_customer_name(profile.customer, profile.customer.identifiers.all(), with_personal=with_personal)
    ordered = profile.last_order_at
    return CustomerRow(
        pk=profile.pk,
        name=name or customer_id,
        detail=customer_id if name else "",
        url=reverse("admin:lifecycle_customer", args=[profile.pk]),
        stage=profile.get_stage_display(),
        badge=BADGES.get(profile.stage, "neutral"),
        value=NO_VALUE if is_withheld else format_whole_money(profile.value, currency),
        last_order=format_age(ordered, as_of=as_of),
        last_order_day=format_full_day(localtime(ordered).date()) if ordered else "",
        churn=NO_VALUE if is_withheld else format_whole_percent(profile.churn) or NO_VALUE,
        is_withheld=is_withheld,
        segments=segments[:SHOWN_SEGMENTS],
        more_segments=segments[SHOWN_SEGMENTS:],
    )
