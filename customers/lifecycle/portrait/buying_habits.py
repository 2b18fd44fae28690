"""Buying habits of a customer compared with other customers: discounts, returns, breadth."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_decimals, format_whole_percent
from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.facts.histories import from_microseconds
from customers.lifecycle.portrait.line import (
    MIN_FACTS,
    FactSource,
    PortraitGroup,
    PortraitLine,
    ValueFormat,
    find_missing_reason,
    make_line,
)
from customers.lifecycle.portrait.queries import OrderDocuments, ShopRates, count_returned_orders
from customers.lifecycle.scoring.interests.interests import Interests
from customers.lifecycle.scoring.stages.order_gaps import DAY

LEVEL = 0.95
MORE, LESS, SIMILAR, UNKNOWN = "more", "less", "similar", "unknown"
DISCOUNT_LABELS: dict[str, str | Promise] = {
    MORE: gettext_lazy("uses discounts more than others"),
    LESS: gettext_lazy("uses discounts less than others"),
    SIMILAR: gettext_lazy("similar to others"),
}
RETURN_LABELS: dict[str, str | Promise] = {
    MORE: gettext_lazy("returns more than others"),
    LESS: gettext_lazy("returns less than others"),
    SIMILAR: gettext_lazy("similar to others"),
}


class Rate(NamedTuple):
    """How many of the cases are hits."""

    hits: int
    cases: int

    @property
    def share(self) -> float:
        return self.hits / self.cases


def make_buying_lines(
    *, documents: OrderDocuments, others: ShopRates, interests: Interests, as_of: datetime
) -> list[PortraitLine]:
    """Return the lines of discounts, returns and breadth. interests: by category."""
    orders = int(documents.is_sale.sum())
    returned = count_returned_orders(
        start=np.array([0, len(documents.at)]),
        amount=documents.amount[::-1],
        is_sale=documents.is_sale[::-1],
        is_refunded=documents.is_refunded[::-1],
    )
    newest = from_microseconds(int(documents.at[documents.is_sale].max())) if orders else None
    return [
        _make_rate_line(
            key="discounts",
            name=gettext_lazy("orders with a discount"),
            own=Rate(int(documents.has_discount[documents.is_sale].sum()), orders),
            others=Rate(others.discounted, others.orders),
            labels=DISCOUNT_LABELS,
            newest=newest,
            as_of=as_of,
        ),
        _make_rate_line(
            key="returns",
            name=gettext_lazy("returned orders"),
            # Limited, since a return can be of an order that is not known.
            own=Rate(min(returned, orders), orders),
            others=Rate(min(others.returned, others.orders), others.orders),
            labels=RETURN_LABELS,
            newest=newest,
            as_of=as_of,
        ),
        _make_breadth_line(interests, as_of),
    ]


def _make_rate_line(
    *,
    key: str,
    name: str | Promise,
    own: Rate,
    others: Rate,
    labels: dict[str, str | Promise],
    newest: datetime | None,
    as_of: datetime,
) -> PortraitLine:
    missing = find_missing_reason(own.cases)
    value, text = (None, "") if missing else _compare_rates(own, others, labels)
    return make_line(
        key=key,
        group=PortraitGroup.BUYING,
        name=name,
        format=ValueFormat.RATE,
        value=value,
        text=text,
        source=FactSource.ORDERS,
        facts=own.cases,
        newest=newest,
        missing=missing,
        as_of=as_of,
    )


def _compare_rates(own: Rate, others: Rate, labels: dict[str, str | Promise]) -> tuple[dict[str, Any], str]:
    """Return the customer's rate with its 95% interval, compared with others.

    The result is both plain data and text. The comparison is unknown if others have too few cases.
    """
    low, high = _compute_interval(own)
    others_share = others.share if others.cases >= MIN_FACTS else None
    comparison = UNKNOWN if others_share is None else _compare_intervals((low, high), _compute_interval(others))
    value = {
        "share": round(own.share, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "others": None if others_share is None else round(others_share, 4),
        "compared": comparison,
    }
    numbers = {
        "share": format_whole_percent(own.share),
        "low": format_whole_percent(low),
        "high": format_whole_percent(high),
        "others": format_whole_percent(others_share),
        "words": labels.get(comparison, ""),
    }
    if others_share is None:
        return value, _("%(share)s (%(low)s to %(high)s)") % numbers
    return value, _("%(share)s (%(low)s to %(high)s); others %(others)s: %(words)s") % numbers


def _compute_interval(rate: Rate) -> tuple[float, float]:
    low, high = compute_wilson_bounds(rate.hits, rate.cases, level=LEVEL)
    return float(low), float(high)


def _compare_intervals(own: tuple[float, float], others: tuple[float, float]) -> str:
    """Return whether the customer's interval is above, below or overlapping that of others."""
    return MORE if own[0] > others[1] else LESS if own[1] < others[0] else SIMILAR


def _make_breadth_line(interests: Interests, as_of: datetime) -> PortraitLine:
    facts, categories = interests.total_facts, len(interests.code)
    return make_line(
        key="breadth",
        group=PortraitGroup.BUYING,
        name=gettext_lazy("category breadth"),
        format=ValueFormat.BREADTH,
        value={"effective": round(interests.breadth, 2), "categories": categories},
        text=_("equivalent to %(effective)s equally preferred categories, of %(categories)s in total")
        % {
            "effective": format_decimals(interests.breadth, 1 if interests.breadth < 10 else 0),
            "categories": categories,
        },
        source=FactSource.ORDERS_AND_EVENTS,
        facts=facts,
        newest=from_microseconds(round(interests.newest.max() * DAY)) if facts else None,
        missing=find_missing_reason(facts),
        as_of=as_of,
    )
