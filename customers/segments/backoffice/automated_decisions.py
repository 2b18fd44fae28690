"""Explains to a person in which segments they are, and by which conditions."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from customers.identity.models import Customer
from customers.segments.explanation.membership_explanation import explain_segments
from customers.segments.membership import find_segments
from customers.segments.models import Segment, SegmentStay

MAX_REASONS = 5


def list_segment_decisions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the segments of a customer, with the parts of their conditions that the customer meets."""
    customer = Customer.objects.filter(pk=customer_id).first()
    segments = find_segments(customer=customer, as_of=as_of)[:limit] if customer is not None else []
    if not segments or customer is None:
        return []
    stays = SegmentStay.objects.filter(customer_id=customer_id, segment__in=segments, left_at=None)
    entered = dict(stays.values_list("segment_id", "entered_at"))
    explanations = explain_segments(customer=customer, segments=segments, as_of=as_of, with_personal=True)
    reasons = {
        explanation.segment.pk: tuple(
            _("%(label)s: %(text)s") % {"label": part.text, "text": part.value} if part.value else str(part.text)
            for part in explanation.parts
            if part.is_met
        )
        for explanation in explanations
    }
    return [describe_segment(segment, entered.get(segment.pk), reasons.get(segment.pk, ())) for segment in segments]


def describe_segment(segment: Segment, entered_at: datetime | None, reasons: tuple[str, ...]) -> Decision:
    return Decision(
        text=_("You are in the group “%(segment)s”.") % {"segment": segment.name},
        at=entered_at,
        reasons=reasons[:MAX_REASONS],
    )


def register_segment_decisions() -> None:
    """Register what segments decide about a customer."""
    register_explainer(
        DecisionExplainer(
            key="segments",
            label=gettext_lazy("Groups of customers"),
            logic=gettext_lazy(
                "Customers who meet the same conditions form a group, for example to get the same message."
            ),
            data=gettext_lazy("Used: orders, visits, what the shop knows about you, and predictions."),
            objection=Objection.PROFILING,
            order=20,
            explain=list_segment_decisions,
        )
    )
