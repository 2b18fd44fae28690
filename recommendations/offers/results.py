"""Results of an offer: shows, clicks, and the orders of those who saw it compared with the holdout group.

Intent to treat: a person counts from the first exposure, in the group of that exposure, whether it was seen or not. A new visitor sees
an offer before the collector has created the customer, so exposures of devices are counted for the customer to whom the device belongs now.

The page may be looked at every day, so the intervals are always valid, until nothing changes any more after the end of the offer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, Min
from psycopg import sql

from config.foundation.statistics import compute_newcombe_bounds
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes, count_outcomes
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.cuped import compare_adjusted_means
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.measurement.statistics.sequential import compute_always_valid_interval
from recommendations.measurement.timeline import OPEN_ENDED, Timeline
from recommendations.offers.models import Offer, OfferExposure

WINDOW = timedelta(days=7)

# The exposures of customers. Two queries instead of one outer join: identifiers are read for exposures without a customer only.
CUSTOMER_EXPOSURES = """
SELECT e.offer_id, e.customer_id, e.arm, e.decided_at, e.id FROM offers_offerexposure e
WHERE e.offer_id = ANY({offers}) AND e.decided_at <= {latest} AND e.customer_id IS NOT NULL
UNION ALL
SELECT e.offer_id, i.customer_id, e.arm, e.decided_at, e.id FROM offers_offerexposure e
JOIN identity_identifier i ON i.kind = 'anonymous_id' AND i.value = e.anonymous_id
WHERE e.offer_id = ANY({offers}) AND e.decided_at <= {latest} AND e.customer_id IS NULL AND e.anonymous_id <> ''
"""
# each customer once per offer, in the group of the first exposure
FIRST_EXPOSURES = sql.SQL(f"""
SELECT DISTINCT ON (offer_id, customer_id) offer_id, customer_id, arm, decided_at
FROM ({CUSTOMER_EXPOSURES}) AS exposure
ORDER BY offer_id, customer_id, decided_at, id
""")  # noqa: S608 — constant
MEMBERS = sql.SQL(
    "SELECT customer_id, arm AS member_group, decided_at AS since, decided_at + %(window)s AS until FROM ({exposures}) AS first"
)
COUNT_VISITORS = sql.SQL(f"""
SELECT (SELECT count(DISTINCT customer_id) FROM ({CUSTOMER_EXPOSURES}) AS exposure WHERE arm = 'shown'),
       (SELECT count(DISTINCT e.anonymous_id) FROM offers_offerexposure e
        WHERE e.offer_id = ANY({{offers}}) AND e.decided_at <= {{latest}} AND e.arm = 'shown'
          AND e.customer_id IS NULL AND e.anonymous_id <> ''
          AND NOT EXISTS (SELECT FROM identity_identifier i WHERE i.kind = 'anonymous_id' AND i.value = e.anonymous_id))
""")  # noqa: S608 — constant


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
        first=Min("decided_at"),
    )
    timeline = build_timeline(offer, first=counts["first"] or as_of, as_of=as_of)
    members = MEMBERS.format(exposures=build_first_exposures([offer.pk], until=as_of))
    counted = count_outcomes(Members(members, {"window": WINDOW}), as_of=as_of)
    treated, held_out = (
        build_group(counted.get_group(arm)) for arm in (OfferExposure.Arm.SHOWN, OfferExposure.Arm.HELD_OUT)
    )
    difference, low, high = compare_shares(treated, held_out, timeline)
    order_difference, order_low, order_high = compare_orders(treated, held_out, timeline)
    return OfferResults(
        as_of=as_of,
        window_days=WINDOW.days,
        shows=counts["shows"],
        visitors=count_visitors(offer, as_of=as_of),
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


def build_timeline(offer: Offer, *, first: datetime, as_of: datetime) -> Timeline:
    """Return how long the results are read: until the window after the end of the offer; without an end, again and again."""
    if offer.ends_at is None:
        return Timeline(first, as_of, first + OPEN_ENDED, is_final=False, ends=False)
    end = offer.ends_at + WINDOW
    return Timeline(first, as_of, end, is_final=as_of >= end, has_arrivals=True)


def build_first_exposures(offer_ids: Sequence[int], *, until: datetime) -> sql.Composable:
    """Return the query of the first exposure of each customer to each offer until a moment: offer_id, customer_id, arm, decided_at."""
    return FIRST_EXPOSURES.format(offers=build_offer_array(offer_ids), latest=sql.Literal(until))


def count_visitors(offer: Offer, *, as_of: datetime) -> int:
    """Return to how many customers and devices of nobody the offer was shown until a moment."""
    statement = COUNT_VISITORS.format(offers=build_offer_array([offer.pk]), latest=sql.Literal(as_of))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        customers, devices = cursor.fetchone()
    return int(customers) + int(devices)


def build_offer_array(offer_ids: Sequence[int]) -> sql.Composable:
    return sql.SQL("{}::bigint[]").format(sql.Literal(list(offer_ids)))


def build_group(group: GroupOutcomes) -> OfferGroup:
    squares = group.moments.products[OutcomeColumn.ORDERS, OutcomeColumn.ORDERS]
    return OfferGroup(group.customers, group.buyers, group.orders, round(float(squares)))


def compare_shares(
    treated: OfferGroup, held_out: OfferGroup, timeline: Timeline
) -> tuple[float | None, float | None, float | None]:
    """Return the difference of the conversion rates with its interval; None if a group is empty."""
    if not treated.people or not held_out.people:
        return None, None, None
    low, high = compute_newcombe_bounds(
        treated.buyers,
        treated.people,
        held_out.buyers,
        held_out.people,
        critical_value=timeline.compute_critical_value(),
    )
    return treated.buyers / treated.people - held_out.buyers / held_out.people, float(low), float(high)


def compare_orders(
    treated: OfferGroup, held_out: OfferGroup, timeline: Timeline
) -> tuple[float | None, float | None, float | None]:
    """Return the difference of the orders per person with its interval; None if a group has fewer than two people or no spread.

    Without a spread, such as without an order, the interval would say little: it would be 0 to 0 for two groups without orders.
    """
    if treated.people < 2 or held_out.people < 2 or not (treated.has_spread and held_out.has_spread):
        return None, None, None
    compared = compare_adjusted_means(
        *(build_moments(group) for group in (treated, held_out)), outcome=0, covariates=()
    )
    interval = compared.interval
    if not timeline.is_final:
        interval = compute_always_valid_interval(
            value=compared.value, standard_error=compared.standard_error, fraction=timeline.fraction
        )
    return interval.value, interval.low, interval.high


def build_moments(group: OfferGroup) -> GroupMoments:
    return GroupMoments(
        group.people, np.array([group.orders], np.float64), np.array([[group.squared_orders]], np.float64)
    )
