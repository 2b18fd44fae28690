"""Decides which offer a visitor sees at a placement: no model is loaded, and a decision takes at most four small SQL statements.

While an experiment varies the offer, a decision for a customer takes one more, which finds an earlier variant.

Running offers are cached: every process notices within five seconds that an offer was started or paused.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from config.foundation.ttl_cache import TtlCache
from recommendations.measurement.assignment import is_held_out
from recommendations.offers.models import CONTENT_FIELDS, Offer, OfferExposure
from recommendations.offers.outcomes import Outcome
from recommendations.offers.variants import choose_variant, clear_experiment_cache
from recommendations.offers.visitor_state import (
    ChosenVariant,
    OfferHistory,
    OfferVisitor,
    VisitorState,
    identify_visitor,
    load_state,
    store_exposures,
)

FALLBACK_LANGUAGE = "en"
NO_CHANGES: Mapping[str, Mapping[str, str]] = {}


@dataclass(frozen=True)
class OfferRequest:
    """A placement that a page is about to show, and for whom; both IDs are empty for a visitor without consent."""

    placement: str
    user_id: str = ""
    anonymous_id: str = ""
    language: str = FALLBACK_LANGUAGE


@dataclass(frozen=True)
class ShownOffer:
    """What the page shows. exposure_id: the ID with which the page reports a click."""

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


def decide_offer(*, request: OfferRequest, now: datetime, is_recorded: bool = True) -> OfferDecision:
    """Return what a visitor sees at a placement, and record it unless this is only a preview."""
    offers = [offer for offer in list_running_offers(request.placement) if is_within_period(offer, now)]
    if not offers:
        return OfferDecision()
    visitor = identify_visitor(user_id=request.user_id, anonymous_id=request.anonymous_id)
    state = load_state(visitor, offers, now)
    decision = OfferDecision()
    exposures: list[OfferExposure] = []
    variant: ChosenVariant | None = None
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
        if outcome is Outcome.SHOWN:
            variant = choose_variant(offer, visitor, user_id=request.user_id)
            content = choose_content(offer, request.language, variant.changes) if variant is not None else content
        exposure = OfferExposure(
            exposure_id=uuid.uuid4(),
            offer=offer,
            arm=OfferExposure.Arm.SHOWN if outcome is Outcome.SHOWN else OfferExposure.Arm.HELD_OUT,
            customer_id=visitor.customer_id,
            anonymous_id=visitor.anonymous_id,
            language=content["language"] if content else "",
            decided_at=now,
        )
        exposures.append(exposure)
        if outcome is Outcome.SHOWN and content is not None:
            decision.offer = ShownOffer(offer.key, offer.name, exposure.exposure_id, **content)
    if is_recorded and exposures:
        stored = store_exposures(exposures, variant=variant)
        if decision.offer is not None and decision.offer.exposure_id not in stored:
            decision.offer = None  # deleted since the running offers were read
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
    """Return whether the visitor is in the holdout group; the first assignment stays, even if the device turns out to belong to a customer."""
    if history is not None:
        return history.is_held_out
    return bool(visitor.subject) and is_held_out(
        salt=offer.salt, customer_id=visitor.subject, share=Decimal(offer.holdout_share)
    )


def is_within_period(offer: Offer, now: datetime) -> bool:
    return (offer.starts_at is None or offer.starts_at <= now) and (offer.ends_at is None or now < offer.ends_at)


def choose_content(
    offer: Offer, language: str, changes: Mapping[str, Mapping[str, str]] = NO_CHANGES
) -> dict[str, str] | None:
    """Return the content in the language, else in English, else in any language; None if there is none.

    changes: what the variant of an experiment changes, by language.
    """
    contents = {content.language: content for content in offer.contents.all()}
    available = dict.fromkeys([*contents, *changes])
    chosen = next((code for code in (language, FALLBACK_LANGUAGE, *available) if code in available), None)
    if chosen is None:
        return None
    changed = changes.get(chosen, {})
    texts = {name: changed.get(name, getattr(contents.get(chosen), name, "")) for name in CONTENT_FIELDS}
    return {**texts, "language": chosen}


def list_running_offers(placement: str) -> list[Offer]:
    """Return the running offers of a placement by priority, with their contents and segments; at most five seconds old."""
    return _running.get(placement) or []


def clear_offer_cache() -> None:
    """Make this process read the offers, and the experiments on them, from the database again."""
    _running.forget()
    clear_experiment_cache()


def _load_running(placement: str) -> list[Offer]:
    offers = Offer.objects.filter(placement=placement, status=Offer.Status.RUNNING)
    return list(offers.select_related("segment").prefetch_related("contents").order_by("-priority", "-id"))


_running = TtlCache(_load_running)
