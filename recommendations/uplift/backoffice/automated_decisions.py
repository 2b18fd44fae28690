"""Explains to a person which action is planned for them."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from recommendations.uplift.action_texts import describe_action, describe_reasons, find_next_action
from recommendations.uplift.models import CustomerAction


def list_action_decisions(customer_id: int, _as_of: datetime, _limit: int) -> Sequence[Decision]:
    """Return the next best action of a customer, if one was computed."""
    if not CustomerAction.objects.filter(customer_id=customer_id).exists():
        return []
    action = find_next_action(customer_id)
    return [Decision(describe_action(action), action.computed_at, reasons=tuple(describe_reasons(action)))]


def register_action_decisions() -> None:
    """Register which action is planned for a customer."""
    register_explainer(
        DecisionExplainer(
            key="next_action",
            label=gettext_lazy("Next planned action"),
            logic=gettext_lazy(
                "A model estimates which message or offer is likely to have the largest effect on your purchases, or that none "
                "has an effect."
            ),
            data=gettext_lazy("Used: your orders and visits, and how you responded to earlier messages."),
            objection=Objection.PROFILING,
            order=70,
            explain=list_action_decisions,
        )
    )
