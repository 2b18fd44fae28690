"""Explains to a person which messages they were sent, and which were held back and why."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from customers.identity.models import Customer
from recommendations.campaigns.backoffice.delivery_panel import list_deliveries
from recommendations.messaging.channels import Channel


def list_message_decisions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the latest messages with what happened to them."""
    lines = sorted(list_deliveries(Customer(pk=customer_id), as_of), key=lambda line: line.at, reverse=True)[:limit]
    channels = dict(Channel.choices)
    return [
        Decision(
            _("Message “%(message)s” (%(channel)s): %(outcome)s")
            % {"message": line.origin, "channel": channels.get(line.channel, line.channel), "outcome": line.outcome},
            line.at,
            reasons=(line.reason,) if line.reason else (),
        )
        for line in lines
    ]


def register_message_decisions() -> None:
    """Register which messages are sent or held back."""
    register_explainer(
        DecisionExplainer(
            key="messages",
            label=gettext_lazy("Messages"),
            logic=gettext_lazy(
                "Messages go to the group of customers that the shop has chosen: only with your consent, not too often, and not at night."
            ),
            data=gettext_lazy("Used: the groups that you are in, your consents, and the messages that you got."),
            objection=Objection.MARKETING,
            order=40,
            explain=list_message_decisions,
        )
    )
