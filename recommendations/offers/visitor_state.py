"""Reads what decides about offers for a visitor, and stores the decisions: one statement each, written as SQL.

A browser waits for the answer, and building the same queries with the ORM was nearly half of a request's processor time (decision 63).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from customers.identity.models import Identifier
from customers.segments.conditions.compiler import uses_live_values
from customers.segments.membership import MembershipQuery, compile_membership
from customers.segments.models import Segment
from recommendations.offers.models import Offer, OfferExposure

FREQUENCY_WINDOW = timedelta(days=1)
COMPILED_KEPT = timedelta(seconds=1)  # conditions relative to the current time are compiled again after this time
MAX_COMPILED = 100

IDENTIFY = """
SELECT i.kind, i.customer_id, c.erased_at IS NOT NULL OR EXISTS (
    SELECT FROM identity_consentdenial d WHERE d.kind = i.kind AND d.value = i.value
)
FROM identity_identifier i JOIN identity_customer c ON c.id = i.customer_id
WHERE {condition}
"""
# The first decision for a visitor determines the visitor's group.
READ_STATE = """
SELECT offer_id, count(*) FILTER (WHERE decided_at > %(since)s),
       min(decided_at) FILTER (WHERE arm = 'held_out') IS NOT DISTINCT FROM min(decided_at), false
FROM offers_offerexposure
WHERE {condition} AND offer_id = ANY(%(offers)s::bigint[]) AND decided_at <= %(now)s
GROUP BY offer_id
UNION ALL
SELECT offer_id, 0, false, true FROM offers_queuedoffer
WHERE customer_id = %(customer)s AND expires_at > %(now)s AND offer_id = ANY(%(offers)s::bigint[])
"""
# Visitors do not wait for the commit, so a crash of the machine may lose the decisions of its last moments.
# An offer may have been deleted since this process read the running offers: nothing is stored for it, and the lock makes sure that it is
# not deleted between the two statements.
STORE_EXPOSURES = """
{exposed}
INSERT INTO offers_offerexposure (exposure_id, offer_id, arm, language, customer_id, anonymous_id, decided_at)
SELECT row.exposure_id, row.offer_id, row.arm, row.language, %s::bigint, %s, %s
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[]) AS row (exposure_id, offer_id, arm, language)
JOIN offers_offer offer ON offer.id = row.offer_id,
     (SELECT set_config('synchronous_commit', 'off', true)) AS setting
FOR KEY SHARE OF offer
RETURNING exposure_id
"""
# The earliest of several exposures of a unit is kept; nothing is stored for an experiment that has just been stopped.
EXPOSED = """
WITH exposed AS (
    INSERT INTO experiments_experimentexposure AS known (experiment_id, variant_id, unit_key, customer_id, exposed_at, propensity)
    SELECT variant.experiment_id, variant.id, %s::text, %s::bigint, %s::timestamptz, %s::float8
    FROM experiments_variant variant
    JOIN experiments_experiment experiment ON experiment.id = variant.experiment_id AND experiment.status = 'running'
    WHERE variant.id = %s
    ON CONFLICT (experiment_id, unit_key) DO UPDATE SET
        variant_id = excluded.variant_id, exposed_at = excluded.exposed_at, propensity = excluded.propensity,
        customer_id = COALESCE(known.customer_id, excluded.customer_id)
    WHERE excluded.exposed_at < known.exposed_at
)
"""


@dataclass(frozen=True)
class OfferVisitor:
    """The visitor of a request. customer_id: None if unknown or without consent to personalization. subject: the text that is hashed into a group."""

    customer_id: int | None = None
    anonymous_id: str = ""

    @property
    def subject(self) -> str:
        if self.customer_id is not None:
            return str(self.customer_id)
        return f"visitor:{self.anonymous_id}" if self.anonymous_id else ""


class ChosenVariant(NamedTuple):
    """The variant of a visitor in an experiment on an offer. changes: fields that differ from the offer's content, by language."""

    variant_id: int
    unit_key: str
    propensity: float
    changes: Mapping[str, Mapping[str, str]]


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


def identify_visitor(*, user_id: str, anonymous_id: str) -> OfferVisitor:
    """Return the visitor of a request; the user ID takes precedence over the anonymous ID. A visitor who declined profiling stays unknown."""
    names = [(Identifier.Kind.USER_ID.value, user_id), (Identifier.Kind.ANONYMOUS_ID.value, anonymous_id)]
    known = [(kind, value) for kind, value in names if value]
    if not known:
        return OfferVisitor()
    condition = " OR ".join(["(i.kind = %s AND i.value = %s)"] * len(known))
    with connection.cursor() as cursor:
        cursor.execute(IDENTIFY.format(condition=condition), [part for name in known for part in name])
        rows = cursor.fetchall()
    if any(is_unknown for _kind, _customer_id, is_unknown in rows):
        return OfferVisitor()
    owners = {kind: customer_id for kind, customer_id, _is_unknown in rows}
    return OfferVisitor(owners.get(Identifier.Kind.USER_ID if user_id else Identifier.Kind.ANONYMOUS_ID), anonymous_id)


def load_state(visitor: OfferVisitor, offers: Sequence[Offer], now: datetime) -> VisitorState:
    """Read the earlier decisions for the customer or on this device, the queued offers, and the segments of the offers."""
    conditions = []
    if visitor.customer_id is not None:
        conditions.append("customer_id = %(customer)s")
    if visitor.anonymous_id:
        conditions.append("anonymous_id = %(anonymous_id)s")
    if not conditions:
        return VisitorState()
    parameters = {
        "customer": visitor.customer_id,
        "anonymous_id": visitor.anonymous_id,
        "offers": [offer.pk for offer in offers],
        "since": now - FREQUENCY_WINDOW,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(READ_STATE.format(condition=f"({' OR '.join(conditions)})"), parameters)
        rows = cursor.fetchall()
    return VisitorState(
        find_segments_of_offers(visitor, offers, now),
        frozenset(offer_id for offer_id, _shows, _is_held_out, is_queued in rows if is_queued),
        {
            offer_id: OfferHistory(shows, is_held_out)
            for offer_id, shows, is_held_out, is_queued in rows
            if not is_queued
        },
    )


def find_segments_of_offers(visitor: OfferVisitor, offers: Sequence[Offer], now: datetime) -> frozenset[int]:
    """Return the IDs of those segments of the offers that the customer is in."""
    if visitor.customer_id is None:
        return frozenset()
    segments = {offer.segment_id: offer.segment for offer in offers if offer.segment is not None}
    return (
        _compiled.get(tuple(segments.values()), now=now, customer_id=visitor.customer_id).find_segments(
            visitor.customer_id
        )
        if segments
        else frozenset()
    )


class CompiledMemberships:
    """The compiled conditions of segments, kept for one second at most, or until the segments are read again.

    Conditions on values that change constantly, such as the likelihood of an order, are compiled for each visitor.
    """

    def __init__(self) -> None:
        self._queries: dict[tuple[int, ...], tuple[datetime, tuple[Segment, ...], MembershipQuery | None]] = {}

    def get(self, segments: tuple[Segment, ...], *, now: datetime, customer_id: int) -> MembershipQuery:
        """Return the query that finds which of the segments the customer is in."""
        query = self._get_lasting(segments, now=now)
        if query is not None:
            return query
        return compile_membership(segments=segments, as_of=now, customer_ids=[customer_id])

    def _get_lasting(self, segments: tuple[Segment, ...], *, now: datetime) -> MembershipQuery | None:
        """Return the query that serves all customers; None if the conditions must be compiled for each visitor."""
        key = tuple(segment.pk for segment in segments)
        kept = self._queries.get(key)
        if kept is not None:
            as_of, known, query = kept
            is_same = all(one is other for one, other in zip(known, segments, strict=True))
            if is_same and as_of <= now < as_of + COMPILED_KEPT:
                return query
        dynamic = [segment.condition for segment in segments if segment.kind == Segment.Kind.DYNAMIC]
        is_live = uses_live_values(dynamic)
        query = None if is_live else compile_membership(segments=segments, as_of=now)
        if len(self._queries) >= MAX_COMPILED:
            self._queries.clear()
        self._queries[key] = now, segments, query
        return query


_compiled = CompiledMemberships()


def store_exposures(exposures: Sequence[OfferExposure], *, variant: ChosenVariant | None = None) -> set[UUID]:
    """Store the decisions of one request, which are all for the same visitor, and the experiment variant in which an offer was shown.

    Returns the IDs of the stored exposures: all but those of offers that have been deleted.
    """
    first = exposures[0]
    columns: list[Any] = [
        [exposure.exposure_id for exposure in exposures],
        [exposure.offer_id for exposure in exposures],
        [str(exposure.arm) for exposure in exposures],
        [exposure.language for exposure in exposures],
    ]
    exposed: list[Any] = []
    if variant is not None:
        exposed = [variant.unit_key, first.customer_id, first.decided_at, variant.propensity, variant.variant_id]
    statement = STORE_EXPOSURES.format(exposed=EXPOSED if variant is not None else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, [*exposed, first.customer_id, first.anonymous_id, first.decided_at, *columns])
        return {exposure_id for (exposure_id,) in cursor.fetchall()}
