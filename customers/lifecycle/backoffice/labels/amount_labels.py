"""Describes the orders that amounts leave out: those in other currencies."""

from collections.abc import Mapping

from django.utils.translation import ngettext

from config.foundation.number_formats import format_count, join_list
from customers.lifecycle.models import LifecycleRun


def describe_other_currencies(run: LifecycleRun) -> str:
    """Return how many orders the amounts of a refresh leave out; "" without such orders."""
    return describe_left_out(run.quality.get("orders_in_other_currencies", {}), run.currency)


def describe_left_out(orders: Mapping[str, int], currency: str) -> str:
    """Return how many orders amounts leave out. orders: their number by currency."""
    total = sum(orders.values())
    if not total:
        return ""
    return ngettext(
        "Amounts are in %(currency)s. %(count)s order in another currency (%(others)s) is not included.",
        "Amounts are in %(currency)s. %(count)s orders in other currencies (%(others)s) are not included.",
        total,
    ) % {"currency": currency, "count": format_count(total), "others": join_list(sorted(orders))}
