"""Sessions, features and labels by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from customers.intent.prediction.features import FEATURES, measure_features
from customers.intent.prediction.labels import cut_sessions, list_category_steps
from customers.intent.prediction.session_events import SECOND, Device, EventKind, Orderings, SessionEvents
from tests.customers.intent.simulated_sessions import simulate_sessions

MIDNIGHT = datetime(2026, 6, 2, tzinfo=UTC)
V, C, P, O = EventKind.VIEW, EventKind.CART, EventKind.PURCHASE, EventKind.OTHER
GAP = timedelta(minutes=30)
NO_ORDERS = Orderings(np.zeros(0, np.int64), np.zeros(0, np.int64))


def at(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND


def make_events(*rows: tuple[int, datetime, EventKind, int], **fields: Any) -> SessionEvents:
    """Return events of (person, time, kind, product); a product's category is its tens digit."""
    person, moments, kinds, products = (list(part) for part in zip(*rows, strict=True))
    product = np.array(products, np.int64)
    n = len(rows)
    values = {
        "person": np.array(person, np.int64),
        "at": np.array([at(moment) for moment in moments], np.int64),
        "kind": np.array(kinds, np.int8),
        "product": product,
        "category": np.where(product < 0, -1, product // 10),
        "device": np.full(n, Device.MOBILE, np.int8),
        "hour": np.array([moment.hour + moment.minute / 60 for moment in moments], float),
        "is_weekend": np.zeros(n, np.bool_),
    }
    return SessionEvents(**values | fields)


def measure(events: SessionEvents, row: int, orders: Orderings = NO_ORDERS) -> dict[str, float]:
    return dict(zip(FEATURES, measure_features(events, orders, np.array([row]))[0].tolist(), strict=True))


def test_only_a_pause_longer_than_half_an_hour_begins_a_session() -> None:
    events = make_events(
        (0, MIDNIGHT - timedelta(minutes=20), V, 11),
        (0, MIDNIGHT + timedelta(minutes=5), V, 11),  # over midnight
        (0, MIDNIGHT + timedelta(minutes=5), C, 11),  # at the same moment
        (0, MIDNIGHT + timedelta(minutes=35), V, 12),  # exactly the gap
        (0, MIDNIGHT + timedelta(minutes=65, seconds=1), V, 12),
        (1, MIDNIGHT + timedelta(minutes=66), V, 12),  # another person
    )
    assert events.sessions.of_event.tolist() == [0, 0, 0, 0, 1, 2]
    assert events.sessions.first.tolist() == [0, 4, 5]
    assert events.sessions.last.tolist() == [3, 4, 5]
    assert events.sessions.position.tolist() == [0, 1, 2, 3, 0, 0]


def test_features_of_a_session_by_hand() -> None:
    noon = MIDNIGHT + timedelta(hours=12)
    events = make_events(
        (0, noon - timedelta(days=2), V, 11),
        (0, noon, V, 11),
        (0, noon + timedelta(seconds=10), V, 25),
        (0, noon + timedelta(seconds=40), C, 25),
        (0, noon + timedelta(seconds=100), V, 11),
        (0, noon + timedelta(seconds=100), O, -1),
    )
    orders = Orderings.sort(np.zeros(3, np.int64), np.array([at(noon - timedelta(days=3)), at(noon), at(noon) + 1]))
    features = measure(events, 5, orders)
    expected = {
        "events": 5, "seconds": 100, "pause": 0, "mean_pause": 25, "views": 3, "carts": 1, "other_events": 1, "in_cart": 1,
        "seconds_since_cart": 60, "products": 2, "categories": 2, "repeat_views": 1, "known_products": 1, "last_other": 1,
        "last_view": 0, "orders_before": 1, "is_buyer": 1, "days_since_visit": 2, "is_new": 0, "is_mobile": 1, "is_desktop": 0,
        "hour_cos": -1,
    }  # fmt: skip
    assert {name: pytest.approx(features[name], abs=1e-3) for name in expected} == expected
    first = measure(events, 0, orders)
    assert (first["days_since_visit"], first["is_new"], first["orders_before"]) == (30, 1, 1)


def test_features_know_nothing_of_what_comes_later() -> None:
    """Adding, changing and removing later events changes no feature at an event."""
    events = simulate_sessions(60, people=12).events
    rows = np.arange(0, len(events), 3)
    all_features = measure_features(events, NO_ORDERS, rows)
    for row, expected in zip(rows, all_features, strict=True):
        is_past = (events.person == events.person[row]) & (np.arange(len(events)) <= row)
        alone = events.select(is_past)
        later = Orderings.sort(alone.person[-1:], alone.at[-1:] + SECOND)
        assert measure_features(alone, later, np.array([len(alone) - 1]))[0].tolist() == expected.tolist()


def test_labels_say_what_happened_after_each_cut() -> None:
    noon = MIDNIGHT + timedelta(hours=12)
    seconds = [timedelta(seconds=value) for value in range(6)]
    events = make_events(
        (0, noon, V, 11),
        (0, noon + seconds[1], C, 11),
        (0, noon + seconds[2], P, 11),
        (0, noon + seconds[3], V, 25),
        (1, noon, V, 11),
        (2, noon + timedelta(hours=5), V, 11),  # may still go on
    )
    cuts = cut_sessions(events, NO_ORDERS, until=at(noon + timedelta(hours=5, minutes=30)))
    assert cuts.rows.tolist() == [0, 1, 2, 4], "the first, second, third and fifth event of a session"
    assert cuts.orders.tolist() == [True, True, False, False]
    assert cuts.has_ordered.tolist() == [False, False, True, False]
    assert cuts.leaves.tolist() == [False, False, False, True]
    assert cuts.pause.tolist() == [SECOND, SECOND, SECOND, 0]
    steps = list_category_steps(events)
    assert steps.category.tolist() == [1, 1, 1, 2, 1, 1]


def test_an_order_without_an_event_counts_until_the_end_of_the_session_is_certain() -> None:
    noon = MIDNIGHT + timedelta(hours=12)
    events = make_events((0, noon, V, 11), (1, noon, V, 11), (2, noon, V, 11))
    placed = [noon + GAP, noon + GAP + timedelta(seconds=1), noon - timedelta(seconds=1)]
    orders = Orderings.sort(np.arange(3), np.array([at(moment) for moment in placed]))
    cuts = cut_sessions(events, orders, until=at(noon + timedelta(days=1)))
    assert cuts.orders.tolist() == [True, False, False]
    assert cuts.has_ordered.tolist() == [False, False, False]


def test_no_events_have_no_sessions() -> None:
    events = simulate_sessions(3).events.select(np.zeros(0, np.int64))
    assert len(events.sessions) == 0
    assert len(cut_sessions(events, NO_ORDERS, until=0)) == 0
    assert measure_features(events, NO_ORDERS, np.zeros(0, np.int64)).shape == (0, len(FEATURES))
