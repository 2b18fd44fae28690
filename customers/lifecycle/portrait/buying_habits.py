"""Buying habits of a customer compared with other customers: discounts, returns, breadth."""

from datetime import datetime

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.statistics import wilson_bounds
from customers.lifecycle.backoffice.labels.clv_labels import format_percent
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
from customers.lifecycle.portrait.queries import OrderDocuments, ShopRates
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


def make_buying_lines(
    *, documents: OrderDocuments, others: ShopRates, interests: Interests, as_of: datetime
) -> list[PortraitLine]:
    """Return the lines. interests: by category. A return is a return document or a refund; it counts once per order."""
    orders = int(documents.is_sale.sum())
    returns = ~documents.is_sale
    returned = min(int(documents.is_refunded.sum() + returns.sum()), orders)
    newest = from_microseconds(int(documents.at[documents.is_sale].max())) if orders else None
    return [
        _make_rate_line(
            "discounts",
            gettext_lazy("orders with a discount"),
            int(documents.has_discount[documents.is_sale].sum()),
            orders,
            others.discounted,
            others.orders,
            DISCOUNT_LABELS,
            newest,
            as_of,
        ),
        _make_rate_line(
            "returns",
            gettext_lazy("returned orders"),
            returned,
            orders,
            min(others.returned, others.orders),
            others.orders,
            RETURN_LABELS,
            newest,
            as_of,
        ),
        _make_breadth_line(interests, as_of),
    ]


def _make_rate_line(
    key: str,
    name: str | Promise,
    hits: int,
    cases: int,
    other_hits: int,
    other_cases: int,
    words: dict[str, str | Promise],
    newest: datetime | None,
    as_of: datetime,
) -> PortraitLine:
    gap = find_missing_reason(cases)
    if gap:
        value, said = None, ""
    else:
        low, high = _compute_interval(hits, cases)
        others = other_hits / other_cases if other_cases >= MIN_FACTS else None
        leaning = (
            UNKNOWN if others is None else _compare_intervals((low, high), _compute_interval(other_hits, other_cases))
        )
        value = {
            "share": round(hits / cases, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "others": None if others is None else round(others, 4),
            "compared": leaning,
        }
        numbers = {
            "share": format_percent(hits / cases),
            "low": format_percent(low),
            "high": format_percent(high),
            "others": format_percent(others),
            "words": words.get(leaning, ""),
        }
        said = (
            _("%(share)s (%(low)s to %(high)s)") % numbers
            if others is None
            else _("%(share)s (%(low)s to %(high)s); others %(others)s: %(words)s") % numbers
        )
    return make_line(
        key=key,
        group=PortraitGroup.BUYING,
        name=name,
        format=ValueFormat.RATE,
        value=value,
        text=said,
        source=FactSource.ORDERS,
        facts=cases,
        newest=newest,
        missing=gap,
        as_of=as_of,
    )


def _compute_interval(hits: int, cases: int) -> tuple[float, float]:
    low, high = wilson_bounds(hits, cases, level=LEVEL)
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
        % {"effective": number_format(interests.breadth, 1 if interests.breadth < 10 else 0), "categories": categories},
        source=FactSource.ORDERS_AND_EVENTS,
        facts=facts,
        newest=from_microseconds(round(interests.newest.max() * DAY)) if facts else None,
        missing=find_missing_reason(facts),
        as_of=as_of,
    )
