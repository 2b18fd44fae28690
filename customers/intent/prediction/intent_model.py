"""The model of a shop: trains all predictions on its sessions, and predicts how current sessions continue."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.processes.thread_limits import limit_numeric_threads
from customers.intent.prediction.features import measure_features
from customers.intent.prediction.labels import CategorySteps, SessionCuts, cut_sessions, list_category_steps
from customers.intent.prediction.next_category import (
    SessionCategoryModel,
    evaluate_next_category,
    find_transitions,
    fit_next_category,
    from_arrays,
    to_arrays,
)
from customers.intent.prediction.outcome_model import (
    OutcomeSample,
    SessionOutcomeModel,
    TrainedOutcome,
    assign_periods,
    list_effects,
    train_outcome,
)
from customers.intent.prediction.session_events import SECOND, UNKNOWN, Orderings, SessionEvents, merge_orderings
from customers.intent.prediction.silence import (
    LateOrders,
    PauseCurves,
    fit_late_orders,
    fit_pauses,
    update_for_silence,
)
from customers.lifecycle.scoring.propensity.models.serialization import deserialize_arrays, serialize_arrays

MAX_CUTS = 300_000  # with more, only every n-th session is used, so that the features fit into memory
PERIODS = 5
ORDER, LEAVE, CATEGORY, PAUSES, LATE_ORDERS = "order", "leave", "category", "pauses", "late_orders"


@dataclass(frozen=True, eq=False)
class IntentModel:
    """Predicts an order, leaving and the next category. categories: their names, by row number."""

    order: SessionOutcomeModel
    leave: SessionOutcomeModel
    pauses: PauseCurves
    late_orders: LateOrders
    next_category: SessionCategoryModel
    categories: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TrainedIntent:
    """A model and its accuracy on later sessions. quality: figures for JSON, by prediction."""

    model: IntentModel
    quality: dict[str, Any]


def train_intent(
    events: SessionEvents,
    orders: Orderings,
    *,
    until: int,
    categories: Sequence[str],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedIntent:
    """Train all predictions on sessions that ended before `until` (microseconds)."""
    with limit_numeric_threads():
        return _train(events, orders, until, categories, report)


def _train(
    events: SessionEvents, orders: Orderings, until: int, categories: Sequence[str], report: Callable[[int, int], None]
) -> TrainedIntent:
    cuts = cut_sessions(events, orders, until=until)
    if len(cuts) > MAX_CUTS:
        keep = max(len(cuts) // MAX_CUTS, 1) + 1
        cuts = cuts.select(cuts.session % keep == 0)
    matrix = measure_features(events, orders, cuts.rows)
    kind, period = events.kind[cuts.rows], assign_session_periods(cuts)

    def train(label: Flags, rows: Flags) -> TrainedOutcome:
        return train_outcome(OutcomeSample(matrix[rows], label[rows], cuts.session[rows], kind[rows], period[rows]))

    order = train(cuts.orders, ~cuts.has_ordered)
    report(1, 3)
    leave = train(cuts.leaves, np.ones(len(cuts), np.bool_))
    pauses = fit_pauses(kind[~cuts.leaves], cuts.pause[~cuts.leaves])
    late_orders = fit_late_orders(cuts, kind)
    report(2, 3)
    steps = list_category_steps(events)
    next_category, category_quality = train_next_category(steps, len(categories))
    model = IntentModel(order.model, leave.model, pauses, late_orders, next_category, tuple(categories))
    quality = {
        ORDER: {**order.quality, "effects": list_effects(order.effects)},
        LEAVE: {**leave.quality, "effects": list_effects(leave.effects)},
        CATEGORY: category_quality,
    }
    return TrainedIntent(model, quality)


def assign_session_periods(cuts: SessionCuts) -> Ints:
    """Return which fifth of the sessions, by start, the session of each cut belongs to."""
    session, first, index = np.unique(cuts.session, return_index=True, return_inverse=True)
    del session
    return assign_periods(cuts.started_at[first], PERIODS)[index]


def train_next_category(steps: CategorySteps, n_categories: int) -> tuple[SessionCategoryModel, dict[str, Any]]:
    """Fit the next category to the first four fifths of the sessions, evaluate it on the last, and fit it to the latest sessions."""
    period = assign_periods(steps.started_at, PERIODS)
    judged = fit_next_category(steps, n_categories, training=period <= 2, validation=period == 3)
    rows = find_transitions(steps)
    quality = evaluate_next_category(judged, steps, rows[period[rows] == PERIODS - 1])
    served = fit_next_category(steps, n_categories, training=(period >= 1) & (period <= 3), validation=period == 4)
    return served, asdict(quality) if quality else {}


@dataclass(frozen=True, eq=False)
class LatestSessions:
    """The last session of each person, and what is predicted for it; arrays of shape (p,).

    Attributes:
        row: of the last event. started_at, last_at: microseconds. events: how many the session has. orders, leaves: probabilities;
            has_ordered: the visitor has ordered in the session, so that ``orders`` is 1.
    """

    person: Ints
    row: Ints
    started_at: Ints
    last_at: Ints
    events: Ints
    orders: Floats
    leaves: Floats
    has_ordered: Flags


def predict_latest_sessions(
    model: IntentModel, events: SessionEvents, orders: Orderings, *, now: int
) -> LatestSessions:
    """Predict for the last session of each person from their events before `now` (microseconds), and the time since the last one."""
    sessions = events.sessions
    row = np.flatnonzero(np.append(events.person[1:] != events.person[:-1], True)) if len(events) else sessions.first
    first = sessions.first[sessions.of_event[row]]
    started_at, last_at, person = events.at[first], events.at[row], events.person[row]
    matrix = measure_features(events, orders, row)
    orderings = merge_orderings(events, orders)
    until_now = orderings.count_until(person, np.full(len(row), now), inclusive=True)
    has_ordered = until_now > orderings.count_until(person, started_at, inclusive=False)
    kind, silence = events.kind[row], np.maximum(now - last_at, 0) / SECOND
    leaves = model.leave.predict(matrix)
    likely, left = update_for_silence(
        # after an order, silence says nothing about one
        orders=np.where(has_ordered, 0.0, model.order.predict(matrix)),
        leaves=leaves,
        longer=model.pauses.get_longer_share(kind, silence),
        leaving_part=model.late_orders.compute_leaving_part(kind, leaves),
        later=model.late_orders.get_later_share(kind, silence),
    )
    return LatestSessions(
        person=person,
        row=row,
        started_at=started_at,
        last_at=last_at,
        events=row - first + 1,
        orders=np.where(has_ordered, 1.0, likely),
        leaves=left,
        has_ordered=has_ordered,
    )


def rank_next_categories(
    model: IntentModel, events: SessionEvents, latest: LatestSessions, position: int, *, limit: int
) -> list[tuple[str, float]]:
    """Return the most probable next categories of one of the sessions, with their probabilities."""
    end = int(latest.row[position]) + 1
    start = end - int(latest.events[position])
    rows = start + np.flatnonzero(events.category[start:end] != UNKNOWN)
    if not model.categories:
        return []
    last_kind = int(events.kind[rows[-1]]) if len(rows) else 0
    return [
        (model.categories[category], probability)
        for category, probability in model.next_category.rank(
            events.category[rows].tolist(), last_kind, min(limit, len(model.categories))
        )
    ]


def serialize_intent(model: IntentModel) -> bytes:
    """Return the model as a compressed npz; loading it runs no code, unlike a pickle."""
    parts = {
        ORDER: model.order.to_arrays(),
        LEAVE: model.leave.to_arrays(),
        CATEGORY: to_arrays(model.next_category),
        PAUSES: {"survival": model.pauses.survival, "categories": np.array(model.categories, dtype=np.str_)},
        LATE_ORDERS: {"leaving": model.late_orders.leaving, "continuing": model.late_orders.continuing},
    }
    return serialize_arrays(
        {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    )


def deserialize_intent(content: bytes) -> IntentModel:
    """Rebuild a model. Errors: ValueError for an array of objects, KeyError for missing arrays."""
    parts: dict[str, dict[str, np.ndarray]] = {ORDER: {}, LEAVE: {}, CATEGORY: {}, PAUSES: {}, LATE_ORDERS: {}}
    for key, array in deserialize_arrays(content).items():
        part, _slash, name = key.partition("/")
        parts[part][name] = array
    return IntentModel(
        order=SessionOutcomeModel.from_arrays(parts[ORDER]),
        leave=SessionOutcomeModel.from_arrays(parts[LEAVE]),
        pauses=PauseCurves(parts[PAUSES]["survival"]),
        # a model of an earlier version, which is in use until the next training, has none
        late_orders=LateOrders(**parts[LATE_ORDERS]) if parts[LATE_ORDERS] else LateOrders.build_empty(),
        next_category=from_arrays(parts[CATEGORY]),
        categories=tuple(parts[PAUSES]["categories"].tolist()),
    )
