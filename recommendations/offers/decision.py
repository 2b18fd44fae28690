"""Decides which offer a visitor sees at a placement: no model is loaded, and a decision takes at most seven small queries.

The rules of the cache: offers that have started or been paused are seen by every process within five seconds.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Exists, Min, OuterRef, Q

from config.foundation.ttl_cache import TtlCache
from customers.identity.models import ConsentDenial, Identifier
from customers.segments.membership import find_matching_segments
from recommendations.offers.models import Offer, OfferContent, OfferExposure, QueuedOffer
from recommendations.offers.outcomes import Outcome
from recommendations.sending.holdout import is_held_out

FREQUENCY_WINDOW = timedelta(days=1)
FALLBACK_LANGUAGE = "en"


@dataclass(frozen=True)
class OfferRequest:
    """A placement that a page is about to show, and for whom; both IDs are empty for a visitor without consent."""

    placement: str
    user_id: str = ""
    anonymous_id: str = ""
    language: str = FALLBACK_LANGUAGE


@dataclass(frozen=True)
class ShownOffer:
    """What the page shows. exposure_id: with which the page reports a click."""

    key: str
    name: str
    exposure_id: uuid.UUID
    title: str
    text: str
    button: str
    url: str
    image_url: str
    language: str


@dataclass
class OfferDecision:
    """The offer, or None, and the outcome of every running offer of the placement in the order of priority."""

    offer: ShownOffer | None = None
    outcomes: list[tuple[Offer, Outcome]] = field(default_factory=list)


@dataclass(frozen=True)
class OfferVisitor:
    """Who asks. customer_id: None if unknown or without consent to personalization. subject: whose group the hash decides."""

    customer_id: int | None = None
    anonymous_id: str = ""

    @property
    def subject(self) -> str:
        if self.customer_id is not None:
            return str(self.customer_id)
        return f"visitor:{self.anonymous_id}" if self.anonymous_id else ""


class OfferHistory(NamedTuple):
    """The decisions for a visitor about one offer: how many in the last day, and whether the first was for the holdout group."""

    shows: int
    is_held_out: bool


@dataclass(frozen=True)
class VisitorState:
    """What is known about a visitor for the candidates: segments, queued offers and earlier decisions, by IDs."""

    segments: frozenset[int] = frozenset()
    queued: frozenset[int] = frozenset()
    history: Mapping[int, OfferHistory] = field(default_factory=dict)


def decide_offer(*, request: OfferRequest, now: datetime, is_recorded: bool = True) -> OfferDecision:
    """Return what a visitor sees at a placement, and record it unless this is only a preview."""
    offers = [offer for offer in list_running_offers(request.placement) if is_within_period(offer, now)]
    if not offers:
        return OfferDecision()
    visitor = identify_visitor(request)
    state = load_state(visitor, offers, now)
    decision = OfferDecision()
    exposures = []
    for offer in offers:
        outcome = evaluate_offer(offer, visitor, state)
        content = choose_content(offer, request.language)
        if outcome is Outcome.SHOWN and content is None:
            outcome = Outcome.NO_CONTENT
        if outcome is Outcome.SHOWN and decision.offer is not None:
            outcome = Outcome.OTHER_SHOWN
        decision.outcomes.append((offer, outcome))
        if outcome not in (Outcome.SHOWN, Outcome.HELD_OUT) or (
            outcome is Outcome.HELD_OUT and decision.offer is not None
        ):
            continue
        exposure = OfferExposure(
            exposure_id=uuid.uuid4(),
            offer=offer,
            arm=OfferExposure.Arm.SHOWN if outcome is Outcome.SHOWN else OfferExposure.Arm.HELD_OUT,
            customer_id=visitor.customer_id,
            anonymous_id=visitor.anonymous_id,
            language=content.language if content else "",
            decided_at=now,
        )
        exposures.append(exposure)
        if outcome is Outcome.SHOWN and content is not None:
            fields = {
                name: getattr(content, name) for name in ("title", "text", "button", "url", "image_url", "language")
            }
            decision.offer = ShownOffer(offer.key, offer.name, exposure.exposure_id, **fields)
    if is_recorded and exposures:
        OfferExposure.objects.bulk_create(exposures)
    return decision


def evaluate_offer(offer: Offer, visitor: OfferVisitor, state: VisitorState) -> Outcome:
    """Return whether the visitor is eligible for an offer, and if not, the first reason."""
    is_queued = offer.pk in state.queued
    if offer.is_individual and not is_queued:
        return Outcome.NOT_QUEUED
    if offer.segment_id is not None and not is_queued:
        if visitor.customer_id is None:
            return Outcome.UNKNOWN_VISITOR
        if offer.segment_id not in state.segments:
            return Outcome.NOT_IN_SEGMENT
    history = state.history.get(offer.pk)
    if offer.max_shows_per_day and history is not None and history.shows >= offer.max_shows_per_day:
        return Outcome.SHOWN_OFTEN
    return Outcome.HELD_OUT if is_in_holdout(offer, visitor, history) else Outcome.SHOWN


def is_in_holdout(offer: Offer, visitor: OfferVisitor, history: OfferHistory | None) -> bool:
    """Return the group of the visitor; the first one stays, also when a device turns out to be a customer's."""
    if history is not None:
        return history.is_held_out
    return bool(visitor.subject) and is_held_out(
        salt=offer.salt, customer_id=visitor.subject, share=Decimal(offer.holdout_share)
    )


def identify_visitor(request: OfferRequest) -> OfferVisitor:
    """Return the visitor of a request; the user ID counts more than the anonymous ID. Who has declined profiling stays unknown."""
    names = [(Identifier.Kind.USER_ID, request.user_id), (Identifier.Kind.ANONYMOUS_ID, request.anonymous_id)]
    condition = Q()
    for kind, value in names:
        if value:
            condition |= Q(kind=kind, value=value)
    if not condition:
        return OfferVisitor()
    denied = ConsentDenial.objects.filter(kind=OuterRef("kind"), value=OuterRef("value"))
    rows = list(
        Identifier.objects.filter(condition)
        .annotate(is_denied=Exists(denied))
        .values_list("kind", "customer_id", "customer__erased_at", "is_denied")
    )
    if any(erased_at is not None or is_denied for _kind, _customer_id, erased_at, is_denied in rows):
        return OfferVisitor()
    owners = {kind: customer_id for kind, customer_id, _erased_at, _is_denied in rows}
    customer_id = owners.get(Identifier.Kind.USER_ID) if request.user_id else owners.get(Identifier.Kind.ANONYMOUS_ID)
    return OfferVisitor(customer_id, request.anonymous_id)


def load_state(visitor: OfferVisitor, offers: Sequence[Offer], now: datetime) -> VisitorState:
    """Read what decides about the offers, by one query for each kind of it."""
    history = read_history(visitor, offers, now)
    if visitor.customer_id is None:
        return VisitorState(history=history)
    segments = {offer.segment_id: offer.segment for offer in offers if offer.segment is not None}
    queued = QueuedOffer.objects.filter(customer_id=visitor.customer_id, expires_at__gt=now, offer__in=offers)
    return VisitorState(
        find_matching_segments(customer_id=visitor.customer_id, segments=list(segments.values()), as_of=now),
        frozenset(queued.values_list("offer_id", flat=True)),
        history,
    )


def read_history(visitor: OfferVisitor, offers: Sequence[Offer], now: datetime) -> dict[int, OfferHistory]:
    """Return the earlier decisions for the visitor, for the customer or on this device."""
    condition = Q(customer_id=visitor.customer_id) if visitor.customer_id is not None else Q()
    if visitor.anonymous_id:
        condition |= Q(anonymous_id=visitor.anonymous_id)
    if not condition:
        return {}
    rows = (
        OfferExposure.objects.filter(condition, offer__in=offers, decided_at__lte=now)
        .order_by()
        .values_list("offer_id")
        .annotate(
            shows=Count("pk", filter=Q(decided_at__gt=now - FREQUENCY_WINDOW)),
            first_at=Min("decided_at"),
            held_out_at=Min("decided_at", filter=Q(arm=OfferExposure.Arm.HELD_OUT)),
        )
    )
    return {offer_id: OfferHistory(shows, held_out_at == first_at) for offer_id, shows, first_at, held_out_at in rows}


def is_within_period(offer: Offer, now: datetime) -> bool:
    return (offer.starts_at is None or offer.starts_at <= now) and (offer.ends_at is None or now < offer.ends_at)


def choose_content(offer: Offer, language: str) -> OfferContent | None:
    """Return the content in the language, else in English, else in any language; None if there is none."""
    contents = {content.language: content for content in offer.contents.all()}
    return contents.get(language) or contents.get(FALLBACK_LANGUAGE) or next(iter(contents.values()), None)


def list_running_offers(placement: str) -> list[Offer]:
    """Return the running offers of a placement by priority, with their contents and segments; at most five seconds old."""
    return _running.get(placement) or []


def clear_offer_cache() -> None:
    """Make this process read the offers from the database again."""
    _running.forget()


def _load_running(placement: str) -> list[Offer]:
    offers = Offer.objects.filter(placement=placement, status=Offer.Status.RUNNING)
    return list(offers.select_related("segment").prefetch_related("contents").order_by("-priority", "-id"))


_running = TtlCache(_load_running)
