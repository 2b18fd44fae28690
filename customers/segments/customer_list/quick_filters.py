"""The quick filters of the customers list; each choice stands for a segment condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.lifecycle.models import Stage

HIGH_RISK = 0.5  # at this churn risk or above, the customer page also suggests a message
MEDIUM_RISK = 0.2

type ConditionTree = dict[str, Any]


def compare(field: str, op: str, value: Any = None) -> ConditionTree:
    """Return a comparison of a segment condition."""
    return {"field": field, "op": op} if value is None else {"field": field, "op": op, "value": value}


@dataclass(frozen=True)
class QuickChoice:
    label: str | Promise
    comparisons: tuple[ConditionTree, ...]


@dataclass(frozen=True)
class QuickFilter:
    """A filter with one choice at a time. any_label: the choice that does not filter."""

    label: str | Promise
    any_label: str | Promise
    choices: Mapping[str, QuickChoice]


QUICK_FILTERS: Mapping[str, QuickFilter] = {
    "stage": QuickFilter(
        _("Stage"),
        _("All stages"),
        {stage.value: QuickChoice(stage.label, (compare("stage", "in", [stage.value]),)) for stage in Stage},
    ),
    "churn": QuickFilter(
        _("Churn risk"),
        _("Any churn risk"),
        {
            "high": QuickChoice(_("High (50% or more)"), (compare("churn", "gte", HIGH_RISK),)),
            "medium": QuickChoice(
                _("Medium (20% to 50%)"), (compare("churn", "gte", MEDIUM_RISK), compare("churn", "lt", HIGH_RISK))
            ),
            "low": QuickChoice(_("Low (less than 20%)"), (compare("churn", "lt", MEDIUM_RISK),)),
            "unknown": QuickChoice(_("No prediction"), (compare("churn", "is_not_set"),)),
        },
    ),
    "last_order": QuickFilter(
        _("Last order"),
        _("Any time"),
        {
            "30d": QuickChoice(_("In the last 30 days"), (compare("last_order_at", "within_days", 30),)),
            "90d": QuickChoice(
                _("31 to 90 days ago"),
                (compare("last_order_at", "older_than_days", 30), compare("last_order_at", "within_days", 90)),
            ),
            "365d": QuickChoice(
                _("91 to 365 days ago"),
                (compare("last_order_at", "older_than_days", 90), compare("last_order_at", "within_days", 365)),
            ),
            "older": QuickChoice(_("More than a year ago"), (compare("last_order_at", "older_than_days", 365),)),
            "never": QuickChoice(_("No order"), (compare("last_order_at", "is_not_set"),)),
        },
    ),
}
