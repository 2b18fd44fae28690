"""The panel of the customer page: the next best action with its interval and reason."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from customers.identity.models import Customer
from recommendations.measurement.presentation.formats import format_points, format_signed_money
from recommendations.uplift.action_texts import describe_action, describe_reasons, find_next_action
from recommendations.uplift.kinds.registry import KINDS


@dataclass(frozen=True)
class ActionPanel:
    """margin, low, high: formatted amounts, empty if unknown. effect: in percentage points. url: of the campaign, flow or offer.

    is_reliable: whether the interval of the margin shows that the action adds or costs some.
    """

    action: str
    has_evidence: bool
    missing: str
    margin: str
    low: str
    high: str
    is_reliable: bool
    is_revenue: bool
    effect: str
    url: str
    reasons: list[str]
    computed_at: datetime | None


def build_action_panel(customer: Customer, _as_of: datetime) -> ActionPanel:
    found = find_next_action(customer.pk)

    def write(value: float | None) -> str:
        return "" if value is None else format_signed_money(value, found.currency, exact=True)

    return ActionPanel(
        describe_action(found),
        found.kind is not None,
        found.missing,
        write(found.expected_margin),
        write(found.low),
        write(found.high),
        found.low is None or found.high is None or not found.low <= 0 <= found.high,
        found.is_revenue,
        "" if found.effect is None else format_points(found.effect),
        reverse(KINDS[found.kind].url_name, args=[found.target.pk])
        if found.kind and found.target and found.target.pk
        else "",
        describe_reasons(found),
        found.computed_at,
    )
