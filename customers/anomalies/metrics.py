"""The metrics that are watched: their measures, how their values are formatted, and the dimensions that may explain them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Format(StrEnum):
    COUNT = "count"
    MONEY = "money"
    WHOLE_MONEY = "whole_money"
    PERCENT = "percent"
    STARS = "stars"


@dataclass(frozen=True)
class MetricDimension:
    """A dimension of a kind of fact that may explain a metric, with the measures to split; empty for those of the metric."""

    fact: str
    dimension: str
    numerator: str = ""
    denominator: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric by day.

    Attributes:
        fact, numerator, denominator: measures of a kind of fact; without a denominator it is a sum. is_count: the numerator counts
        things. is_summed: a day without any can mean that its data is missing. is_good_up: whether more is better. needs: feeds
        without which it cannot be evaluated, besides that of its fact. sentence: with %(day)s and %(value)s.
        report: parameters of a trend of nearly the same figure, whose points list their people.
    """

    key: str
    label: str | Promise
    sentence: str | Promise
    fact: str
    numerator: str
    denominator: str = ""
    format: Format = Format.COUNT
    is_count: bool = True
    is_summed: bool = False
    is_good_up: bool = True
    needs: tuple[str, ...] = ()
    dimensions: tuple[MetricDimension, ...] = field(default_factory=tuple)
    report: dict[str, Any] = field(default_factory=dict)


def _dimensions(fact: str, *names: str) -> tuple[MetricDimension, ...]:
    return tuple(MetricDimension(fact, name) for name in names)


def _series(meaning: str = "", **options: str) -> dict[str, Any]:
    return {"event": {"meaning": meaning} if meaning else {}, **options}


PURCHASES = _series("purchase")
ORDER_DIMENSIONS = _dimensions("orders", "channel", "source", "coupon", "customer")
LINE_DIMENSIONS = tuple(MetricDimension("lines", name, "revenue") for name in ("category", "brand", "product"))
VISIT_DIMENSIONS = _dimensions("visits", "device", "source", "language", "customer")

_metrics: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            key="revenue",
            label=_("Revenue"),
            sentence=_("Revenue on %(day)s was %(value)s"),
            fact="orders",
            numerator="revenue",
            format=Format.WHOLE_MONEY,
            is_count=False,
            is_summed=True,
            dimensions=ORDER_DIMENSIONS + LINE_DIMENSIONS,
            report={"series": [_series("purchase", measure="sum", property="value")]},
        ),
        Metric(
            key="orders",
            label=_("Orders"),
            sentence=_("The number of orders on %(day)s was %(value)s"),
            fact="orders",
            numerator="orders",
            is_summed=True,
            dimensions=ORDER_DIMENSIONS,
            report={"series": [PURCHASES]},
        ),
        Metric(
            key="order_value",
            label=_("Average order value"),
            sentence=_("The average order value on %(day)s was %(value)s"),
            fact="orders",
            numerator="revenue",
            denominator="priced_orders",
            format=Format.MONEY,
            is_count=False,
            dimensions=ORDER_DIMENSIONS,
            report={"series": [_series("purchase", measure="average", property="value")]},
        ),
        Metric(
            key="new_customers",
            label=_("New customers"),
            sentence=_("The number of new customers on %(day)s was %(value)s"),
            fact="orders",
            numerator="new_customers",
            dimensions=_dimensions("orders", "channel", "source", "coupon"),
        ),
        Metric(
            key="returns",
            label=_("Returns"),
            sentence=_("The number of returns on %(day)s was %(value)s"),
            fact="orders",
            numerator="returns",
            is_good_up=False,
            dimensions=_dimensions("orders", "channel", "source"),
        ),
        Metric(
            key="visitors",
            label=_("Visitors"),
            sentence=_("The number of visitors on %(day)s was %(value)s"),
            fact="visits",
            numerator="visitors",
            is_summed=True,
            dimensions=VISIT_DIMENSIONS,
            report={"series": [_series(measure="people")]},
        ),
        Metric(
            key="conversion",
            label=_("Conversion rate"),
            sentence=_("The conversion rate on %(day)s was %(value)s"),
            fact="visits",
            numerator="converted",
            denominator="visitors",
            format=Format.PERCENT,
            needs=("orders",),
            dimensions=VISIT_DIMENSIONS,
            report={"series": [_series("purchase", measure="people"), _series(measure="people")], "formula": "A / B"},
        ),
        Metric(
            key="cart_rate",
            label=_("Add-to-cart rate"),
            sentence=_("The add-to-cart rate on %(day)s was %(value)s"),
            fact="visits",
            numerator="carts",
            denominator="visitors",
            format=Format.PERCENT,
            dimensions=VISIT_DIMENSIONS,
            report={"series": [_series("cart", measure="people"), _series(measure="people")], "formula": "A / B"},
        ),
        Metric(
            key="rating",
            label=_("Average rating"),
            sentence=_("The average rating of reviews on %(day)s was %(value)s"),
            fact="reviews",
            numerator="stars",
            denominator="reviews",
            format=Format.STARS,
            is_count=False,
            dimensions=_dimensions("reviews", "category", "product"),
        ),
    )
}


def register_metrics(metrics: Iterable[Metric]) -> None:
    """Add metrics, also from packages above this one."""
    _metrics.update((metric.key, metric) for metric in metrics)


def list_metrics() -> list[Metric]:
    return list(_metrics.values())


def find_metric(key: str) -> Metric | None:
    return _metrics.get(key)
