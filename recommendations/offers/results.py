"""Results of an offer: shows, clicks, and the orders of those who saw it compared with the holdout group.

Intent to treat: a person counts from the first exposure, in the group of that exposure, whether it was seen or not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from psycopg import sql

from config.foundation.statistics import Sample, compare_means, compute_newcombe_bounds
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes, count_outcomes
from recommendations.measurement.outcomes.members import Members
from recommendations.offers.models import Offer, OfferExposure

WINDOW = timedelta(days=7)

# each person once: the group and the time of the first exposure, and the window after it
MEMBERS = sql.SQL("""
SELECT DISTINCT ON (customer_id) customer_id, arm AS member_group, decided_at AS since, decided_at + %(window)s AS until
FROM offers_offerexposure
WHERE offer_id = %(offer)s AND customer_id IS NOT NULL
ORDER BY customer_id, decided_at, id
""")


@dataclass(frozen=True)
class OfferGroup:
    """People of one group. buyers: those with an order within the window."""

    people: int = 0
    buyers: int = 0
    orders: int = 0
    squared_orders: int = 0  # the sum of the squares of each person's orders

    @property
    def orders_per_person(self) -> float | None:
        return self.orders / self.people if self.people else None

    @property
    def has_spread(self) -> bool:
        """Whether the orders of the people differ; they do not in a group without an order."""
        return self.squared_orders * self.people > self.orders**2

    @property
    def conversion_rate(self) -> float | None:
        return self.buyers / self.people if self.people else None


@dataclass(frozen=True)
class OfferResults:
    """The counts of an offer, and the differences from the holdout group with their 95% intervals; None without both groups.

    difference, low, high: of the conversion rates; order_difference, order_low, order_high: of the orders per person.
    """

    as_of: datetime
    window_days: int
    shows: int
    visitors: int
    clicks: int
    closes: int
    shown: OfferGroup
    held_out: OfferGroup
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    order_difference: float | None = None
    order_low: float | None = None
    order_high: float | None = None

    @property
    def click_through_rate(self) -> float | None:
        return self.clicks / self.shows if self.shows else None


def measure_offer(*, offer: Offer, as_of: datetime) -> OfferResults:
    """Return the results until a moment, with three queries."""
    shown = OfferExposure.objects.filter(offer=offer, arm=OfferExposure.Arm.SHOWN, decided_at__lte=as_of)
    counts: dict[str, Any] = shown.aggregate(
        shows=Count("pk"),
        clicks=Count("clicked_at"),
        closes=Count("closed_at"),
        people=Count("customer", distinct=True),
    )
    unknown = (
        shown.filter(customer=None).exclude(anonymous_id="").aggregate(devices=Count("anonymous_id", distinct=True))
    )
    counted = count_outcomes(Members(MEMBERS, {"offer": offer.pk, "window": WINDOW}), as_of=as_of)
    treated, held_out = (
        build_group(counted.get_group(arm)) for arm in (OfferExposure.Arm.SHOWN, OfferExposure.Arm.HELD_OUT)
    )
    difference, low, high = compare_shares(treated, held_out)
    order_difference, order_low, order_high = compare_orders(treated, held_out)
    return OfferResults(
        as_of=as_of,
        window_days=WINDOW.days,
        shows=counts["shows"],
        visitors=counts["people"] + unknown["devices"],
        clicks=counts["clicks"],
        closes=counts["closes"],
        shown=treated,
        held_out=held_out,
        difference=difference,
        low=low,
        high=high,
        order_difference=order_difference,
        order_low=order_low,
        order_high=order_high,
    )


def build_group(group: GroupOutcomes) -> OfferGroup:
    squares = group.moments.products[OutcomeColumn.ORDERS, OutcomeColumn.ORDERS]
    return OfferGroup(group.customers, group.buyers, group.orders, round(float(squares)))


def compare_shares(treated: OfferGroup, held_out: OfferGroup) -> tuple[float | None, float | None, float | None]:
    """Return the difference of the conversion rates with its interval; None if a group is empty."""
    if not treated.people or not held_out.people:
        return None, None, None
    low, high = compute_newcombe_bounds(treated.buyers, treated.people, held_out.buyers, held_out.people)
    return treated.buyers / treated.people - held_out.buyers / held_out.people, float(low), float(high)


def compare_orders(treated: OfferGroup, held_out: OfferGroup) -> tuple[float | None, float | None, float | None]:
    """Return the difference of the orders per person with Welch's interval; None if a group has fewer than two people or no spread.

    Without a spread, such as without an order, the interval would be too narrow: it would be 0 to 0 for two groups without orders.
    """
    if treated.people < 2 or held_out.people < 2 or not (treated.has_spread and held_out.has_spread):
        return None, None, None
    compared = compare_means(*(build_sample(group) for group in (treated, held_out)))
    return compared.value, compared.low, compared.high


def build_sample(group: OfferGroup) -> Sample:
    return Sample(group.people, group.orders, group.squared_orders)
