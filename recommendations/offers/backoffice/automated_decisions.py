"""Explains to a person which on-site offers they were shown."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from customers.identity.models import Identifier
from recommendations.offers.models import OfferExposure


def list_offer_decisions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the latest offers that were shown or held back, in two queries."""
    kind = Identifier.Kind.ANONYMOUS_ID
    devices = list(Identifier.objects.filter(customer_id=customer_id, kind=kind).values_list("value", flat=True))
    # the exposures of a new visitor are stored before the customer exists
    is_own = Q(customer_id=customer_id) | Q(customer=None, anonymous_id__in=devices) & ~Q(anonymous_id="")
    exposures = (
        OfferExposure.objects.filter(is_own, decided_at__lte=as_of)
        .select_related("offer", "offer__segment")
        .order_by("-decided_at")[:limit]
    )
    return [describe_exposure(exposure) for exposure in exposures]


def describe_exposure(exposure: OfferExposure) -> Decision:
    values = {"offer": exposure.offer.name}
    is_shown = exposure.arm == OfferExposure.Arm.SHOWN
    text = _("Offer “%(offer)s” was shown") % values if is_shown else _("Offer “%(offer)s” was held back") % values
    segment = exposure.offer.segment
    reasons = [_("For the group “%(segment)s”") % {"segment": segment.name}] if segment is not None else []
    if not is_shown:
        reasons.append(_("Drawn at random to measure what the offer changes."))
    return Decision(text, exposure.decided_at, exposure.offer.key, tuple(reasons))


def register_offer_decisions() -> None:
    """Register on-site offers as automated decisions that can be explained."""
    register_explainer(
        DecisionExplainer(
            key="offers",
            label=gettext_lazy("Offers in the shop"),
            logic=gettext_lazy("An offer is shown to the group of customers that the shop has chosen for it."),
            data=gettext_lazy("Used: the groups that you are in, and which offers you have seen."),
            objection=Objection.PROFILING,
            order=50,
            explain=list_offer_decisions,
        )
    )
