"""Predicts how current sessions continue: one visitor's session for REST, those of customers for segment conditions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from customers.intent.live_sessions import (
    USER,
    VISITOR,
    VisitorNames,
    find_active_customers,
    find_denied,
    find_owner,
    keep_active,
    read_live_events,
    read_names,
    to_microseconds,
)
from customers.intent.prediction.intent_model import (
    IntentModel,
    LatestSessions,
    predict_latest_sessions,
    rank_next_categories,
)
from customers.intent.served_model import load_served_model

NEXT_CATEGORIES = 3
NO_MODEL, NO_SESSION, DENIED = "no_model", "no_session", "consent_denied"
ACTIVE_SECONDS = 5  # how long the predictions for all active customers are kept in the process
CHUNK = 5_000
UNKNOWN_VISITOR = 0


class UnknownCustomerError(LookupError):
    """No customer has this user ID, or the customer was erased."""


@dataclass(frozen=True)
class SessionIntent:
    """What is predicted for the session of a visitor.

    Attributes:
        reason: why there is no prediction: no_model, no_session or consent_denied; empty if there is one.
        order, leave: probabilities; has_ordered: the visitor has ordered in this session, so that ``order`` is 1.
        order_source, leave_source: model, or rate if only the share of all sessions is known.
        next_categories: the most probable ones and their probabilities.
    """

    reason: str = ""
    started_at: datetime | None = None
    last_event_at: datetime | None = None
    events: int = 0
    order: float | None = None
    leave: float | None = None
    has_ordered: bool = False
    order_source: str = ""
    leave_source: str = ""
    next_categories: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Likelihoods:
    """The probabilities of an order and of leaving in the session of a customer."""

    order: float
    leave: float


def predict_customer(*, user_id: str, now: datetime) -> SessionIntent:
    """Return the prediction for the session of a customer, on all devices. Errors: UnknownCustomerError."""
    customer_id, is_erased = find_owner(USER, user_id)
    if customer_id is None or is_erased:
        raise UnknownCustomerError(user_id)
    return predict_names(customer_id, now=now)


def predict_visitor(*, anonymous_id: str, now: datetime) -> SessionIntent:
    """Return the prediction for the session of a visitor, even if their first event has not been processed yet."""
    customer_id, is_erased = find_owner(VISITOR, anonymous_id)
    if is_erased:
        return SessionIntent(reason=NO_SESSION)
    if customer_id is not None:
        return predict_names(customer_id, now=now)
    names = [(UNKNOWN_VISITOR, VISITOR, anonymous_id)]
    return SessionIntent(reason=DENIED) if find_denied(names) else predict_session(VisitorNames(names), now=now)


def predict_names(customer_id: int, *, now: datetime) -> SessionIntent:
    names = read_names([customer_id])
    return SessionIntent(reason=DENIED) if names.denied else predict_session(names, now=now)


def predict_session(names: VisitorNames, *, now: datetime) -> SessionIntent:
    """Return the prediction for the session of one person."""
    model = load_served_model()
    if model is None:
        return SessionIntent(reason=NO_MODEL)
    live = keep_active(read_live_events(names, now=now, categories=model.categories), now=now)
    if not len(live.events):
        return SessionIntent(reason=NO_SESSION)
    latest = predict_latest_sessions(model, live.events, live.orders, now=to_microseconds(now))
    return SessionIntent(
        started_at=to_datetime(latest.started_at[0]),
        last_event_at=to_datetime(latest.last_at[0]),
        events=int(latest.events[0]),
        order=float(latest.orders[0]),
        leave=float(latest.leaves[0]),
        has_ordered=bool(latest.has_ordered[0]),
        order_source=get_source(model.order.reason),
        leave_source=get_source(model.leave.reason),
        next_categories=tuple(rank_next_categories(model, live.events, latest, 0, limit=NEXT_CATEGORIES)),
    )


def predict_customers(customer_ids: Collection[int] | None, *, now: datetime) -> Mapping[int, Likelihoods]:
    """Return the likelihoods of those of the customers who are in a session now.

    customer_ids: None for all customers, whose likelihoods are at most five seconds old.
    """
    model = load_served_model()
    if model is None:
        return {}
    if customer_ids is not None:
        return compute_likelihoods(model, customer_ids, now=now)
    return _active.get(model, now=now)


def compute_likelihoods(model: IntentModel, customer_ids: Collection[int], *, now: datetime) -> dict[int, Likelihoods]:
    """Return the likelihoods of these customers, in chunks of thousands."""
    likelihoods: dict[int, Likelihoods] = {}
    ids = list(customer_ids)
    for start in range(0, len(ids), CHUNK):
        names = read_names(ids[start : start + CHUNK])
        if not names.names:
            continue
        live = keep_active(read_live_events(names, now=now, categories=model.categories), now=now)
        if len(live.events):
            latest = predict_latest_sessions(model, live.events, live.orders, now=to_microseconds(now))
            likelihoods |= list_likelihoods(live.people[latest.person].tolist(), latest)
    return likelihoods


def list_likelihoods(people: Collection[int], latest: LatestSessions) -> dict[int, Likelihoods]:
    pairs = zip(latest.orders.tolist(), latest.leaves.tolist(), strict=True)
    return {person: Likelihoods(*pair) for person, pair in zip(people, pairs, strict=True)}


class ActiveLikelihoods:
    """The likelihoods of all customers with a session, recomputed after five seconds or when the model changes."""

    def __init__(self) -> None:
        self._key: tuple[int, int] | None = None
        self._likelihoods: Mapping[int, Likelihoods] = {}

    def get(self, model: IntentModel, *, now: datetime) -> Mapping[int, Likelihoods]:
        key = (id(model), int(now.timestamp()) // ACTIVE_SECONDS)
        # nothing is cached inside a transaction, which may be rolled back or see other rows
        if connection.in_atomic_block or key != self._key:
            likelihoods = compute_likelihoods(model, find_active_customers(now=now), now=now)
            if connection.in_atomic_block:
                return likelihoods
            self._key, self._likelihoods = key, likelihoods
        return self._likelihoods


_active = ActiveLikelihoods()


def get_source(reason: str) -> str:
    return "rate" if reason else "model"


def to_datetime(microseconds: int) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC)
