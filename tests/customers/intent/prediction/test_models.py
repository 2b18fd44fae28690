"""Models on simulated sessions whose probabilities are known, the next category by hand, and what silence means."""

import numpy as np
import pytest

from customers.intent.prediction.features import measure_features
from customers.intent.prediction.intent_model import (
    PERIODS,
    IntentModel,
    TrainedIntent,
    deserialize_intent,
    predict_latest_sessions,
    rank_next_categories,
    serialize_intent,
    train_intent,
)
from customers.intent.prediction.labels import CategorySteps
from customers.intent.prediction.next_category import (
    SessionCategoryModel,
    evaluate_next_category,
    fit_next_category,
    predict_top,
)
from customers.intent.prediction.outcome_model import FEW_OUTCOMES, assign_periods
from customers.intent.prediction.session_events import SECOND, EventKind, SessionEvents
from customers.intent.prediction.silence import fit_pauses, update_for_silence
from customers.intent.prediction.transition_counts import count_transitions
from tests.customers.intent.simulated_sessions import (
    DAY,
    MEAN_PAUSE,
    NO_ORDERS,
    SimulatedSessions,
    simulate_server_orders,
    simulate_sessions,
)

CATEGORIES = ("Kitchen", "Garden", "Toys")


@pytest.fixture(scope="module")
def simulated() -> SimulatedSessions:
    return simulate_sessions(4_000)


@pytest.fixture(scope="module")
def trained(simulated: SimulatedSessions) -> TrainedIntent:
    return train_intent(simulated.events, simulated.orders, until=simulated.until, categories=CATEGORIES)


def test_predictions_are_close_to_the_true_probabilities(trained: TrainedIntent) -> None:
    """On sessions of the same chain that no model has seen; a probability is off by less than 0.05 on average."""
    later = simulate_sessions(1_000, seed=8)
    rows = np.flatnonzero(later.events.kind != EventKind.PURCHASE)
    matrix = measure_features(later.events, later.orders, rows)
    for model, truth in (
        (trained.model.order, later.order_probability),
        (trained.model.leave, later.leave_probability),
    ):
        predicted = model.predict(matrix)
        assert np.abs(predicted - truth[rows]).mean() < 0.05
        assert abs(predicted.mean() - truth[rows].mean()) < 0.03


def test_models_beat_both_baselines_on_later_sessions(trained: TrainedIntent) -> None:
    for question in ("order", "leave"):
        quality = trained.quality[question]
        assert quality["brier"] < min(quality["rate_brier"], quality["last_brier"])
        assert quality["auc"] > quality["last_auc"] > 0.5
        assert quality["effects"]
        assert sum(quality["curve"]["customers"]) == quality["cuts"]
        assert abs(quality["mean_predicted"] - quality["rate"]) < 0.05


def test_a_stored_model_predicts_the_same(trained: TrainedIntent, simulated: SimulatedSessions) -> None:
    stored = deserialize_intent(serialize_intent(trained.model))
    part = simulated.events.select(simulated.events.person < 40)
    now = int(part.at.max())
    before, after = (
        predict_latest_sessions(model, part, simulated.orders, now=now) for model in (trained.model, stored)
    )
    assert before.orders.tolist() == after.orders.tolist()
    assert before.leaves.tolist() == after.leaves.tolist()
    ranked = rank_next_categories(stored, part, after, 0, limit=2)
    assert ranked == rank_next_categories(trained.model, part, before, 0, limit=2)
    assert len(ranked) == 2


def test_a_session_with_an_order_is_certain_and_silence_makes_leaving_likely(
    trained: TrainedIntent, simulated: SimulatedSessions
) -> None:
    buyer = int(simulated.events.person[simulated.events.kind == EventKind.PURCHASE][0])
    part = simulated.events.select((simulated.events.person == buyer) | (simulated.events.person == 0))
    end = int(part.at.max())
    for now in (end, end + 60 * SECOND, end + 1_900 * SECOND):
        latest = predict_latest_sessions(trained.model, part, simulated.orders, now=now)
        assert latest.orders[latest.person == buyer].tolist() == [1.0]
    assert latest.leaves.tolist() == [1.0, 1.0]


def test_orders_that_come_from_the_server_are_predicted_after_the_last_event() -> None:
    """Sessions end with a checkout, which 70% of the visitors complete: the order follows without a further event."""
    events, orders = simulate_server_orders(3_000)
    model = train_intent(events, orders, until=int(events.at.max()) + DAY, categories=CATEGORIES).model
    stored = deserialize_intent(serialize_intent(model))
    sessions = events.sessions
    is_checkout = events.kind[sessions.last] == EventKind.CHECKOUT
    ended_at = events.at[sessions.last]
    placed_at = np.full(len(sessions), np.iinfo(np.int64).max)
    placed_at[orders.person] = orders.at
    for seconds in (0, 60, 180, 600):
        # each visitor that long after the checkout, of those who have not ordered by then
        is_open = is_checkout & (placed_at > ended_at + seconds * SECOND)
        actual = (placed_at[is_open] < np.iinfo(np.int64).max).mean()
        people = np.flatnonzero(is_open)[:200]
        predicted = [predict_one(stored, events, person, seconds) for person in people.tolist()]
        assert np.mean(predicted) == pytest.approx(actual, abs=0.05)


def predict_one(model: IntentModel, events: SessionEvents, person: int, seconds: int) -> float:
    """Return the probability of an order that long after the last event of a person."""
    part = events.select(events.person == person)
    now = int(part.at[-1]) + seconds * SECOND
    return float(predict_latest_sessions(model, part, NO_ORDERS, now=now).orders[0])


def test_too_few_outcomes_are_predicted_by_the_rate() -> None:
    few = simulate_sessions(200)
    trained = train_intent(few.events, few.orders, until=few.until, categories=CATEGORIES)
    assert (trained.model.order.reason, trained.quality["order"]) == (FEW_OUTCOMES, {"effects": []})
    rate = trained.model.order.predict(np.zeros((2, 1), np.float32))
    assert rate[0] == rate[1] == trained.model.order.rate
    assert 0 < rate[0] < 1


def test_periods_follow_each_other_and_never_split_a_moment() -> None:
    started = np.array([5, 1, 1, 1, 2, 3, 4, 9, 9, 9])
    period = assign_periods(started, PERIODS)
    for one, other in ((0, 1), (1, 4), (4, 5), (0, 7)):
        assert (started[one] < started[other]) == (period[one] < period[other]) or period[one] == period[other]
    assert len(set(period[started == 9])) == 1
    assert period.max() == PERIODS - 1 or period[started == 9][0] == period.max()


def update_at(orders: float, leaves: float, longer: float, *, part: float = 0.0, later: float = 0.0) -> list[float]:
    """Return the probabilities of an order and of leaving of one visitor."""
    values = {"orders": orders, "leaves": leaves, "longer": longer, "leaving_part": part, "later": later}
    return [float(result[0]) for result in update_for_silence(**{name: np.array([v]) for name, v in values.items()})]


def test_silence_updates_by_bayes() -> None:
    """Of 100 visitors 40 leave; 60 go on, half of them after more than a minute: silent for a minute are 40 + 30, of whom 40 left."""
    assert update_at(0.2, 0.4, 0.5) == pytest.approx([0.2 * 0.5 / 0.7, 40 / 70])
    assert update_at(0.9, 0.4, 1.0) == pytest.approx([0.6, 0.4]), "who orders with a further event does not leave"
    assert update_at(0.2, 0.4, 0.0) == [0.0, 1.0]


def test_silence_does_not_exclude_orders_without_a_further_event() -> None:
    """Of 100 visitors 80 leave, 50 of whom order, 20 of these after more than a minute; of the 20 who go on, 5 order, and 10 pause longer.

    Neither an event nor an order within a minute: 30 + 20 who leave, and 10 who go on; 20 and 2.5 of them order.
    """
    orders, part = 0.55, 50 / 55
    assert update_at(orders, 0.8, 1.0, part=part, later=1.0) == pytest.approx([orders, 0.8]), (
        "at the event nothing is new"
    )
    assert update_at(orders, 0.8, 0.5, part=part, later=0.4) == pytest.approx([22.5 / 60, 50 / 60])
    assert update_at(orders, 0.8, 0.0, part=part, later=0.0) == [0.0, 1.0]


def test_pauses_are_those_of_the_exponential_distribution() -> None:
    draws = np.random.default_rng(3)
    pauses = (draws.exponential(MEAN_PAUSE, 20_000) * SECOND).astype(np.int64)
    curves = fit_pauses(np.full(len(pauses), EventKind.VIEW), pauses)
    share = curves.get_longer_share(np.array([EventKind.VIEW, EventKind.VIEW]), np.array([30.0, 90.0]))
    assert share == pytest.approx(np.exp(-np.array([30, 90]) / MEAN_PAUSE), abs=0.01)
    other = curves.get_longer_share(np.array([EventKind.SEARCH]), np.array([30.0]))
    assert other[0] == pytest.approx(share[0], abs=0.01), "a kind without pauses has those of all events"


def test_transitions_are_interpolated_with_popularity() -> None:
    """After 0 came 1 three times and 2 once: (3 + 2 · 0.5) / (4 + 2) for 1, (0 + 2 · 0.2) / 6 for 0; unknown contexts: the shorter one."""
    counts = count_transitions(np.array([0, 0, 0, 0]), np.array([1, 1, 1, 2]), 2, 3)
    shorter = np.array([0.5, 0.2, 0.3, 0.3])
    context, category = np.array([0, 0, 1, -1]), np.array([1, 0, 2, 2])
    assert counts.look_up(context, category).interpolate(shorter, 1.0).tolist() == pytest.approx(
        [4 / 6, 0.4 / 6, 0.3, 0.3]
    )
    assert counts.look_up(context, category).interpolate(shorter, 2.0)[0] == pytest.approx((3 + 4 * 0.5) / (4 + 4))
    assert counts.list_top_followers(2).tolist() == [[1, 2], [-1, -1]]
    assert [part.tolist() for part in counts.list_followers(np.array([1, 0]))] == [[1, 1], [1, 2]]


def test_next_categories_follow_the_last_two() -> None:
    """0 1 → 2 and 3 1 → 4, always: only both together say what follows 1."""
    draws = np.random.default_rng(5)
    first = draws.integers(0, 2, 600)
    category = np.stack([np.where(first, 0, 3), np.ones(600, np.int64), np.where(first, 2, 4)], axis=1).ravel()
    session = np.repeat(np.arange(600), 3)
    steps = CategorySteps(session, category, session * SECOND, np.zeros(1800, np.int64))
    model = fit_next_category(steps, 5, training=session < 400, validation=session >= 400)
    assert [category for category, _p in model.rank([0, 1], 0, 1)] == [2]
    assert [category for category, _p in model.rank([3, 1], 0, 1)] == [4]
    assert model.rank([], 0, 1)[0][0] == 1, "without a category, the most popular next one"
    total = sum(probability for _category, probability in model.rank([0, 1], 0, 5))
    assert total == pytest.approx(1.0)
    assert predict_top(model, steps, np.array([1]), limit=1, without_seen=True).tolist() != [[1]]


def test_the_type_of_the_last_event_says_whether_the_category_stays() -> None:
    """After a view the product is added to the cart; after that comes another category: 0 0 1 1, or 1 1 2 2, or 2 2 0 0."""
    first = np.arange(400) % 3
    category = np.stack([first, first, (first + 1) % 3, (first + 1) % 3], axis=1).ravel()
    session = np.repeat(np.arange(400), 4)
    kind = np.tile([EventKind.VIEW, EventKind.CART], 800).astype(np.int64)
    steps = CategorySteps(session, category, session * SECOND, kind)
    model = fit_next_category(steps, 3, training=session < 300, validation=session >= 300)
    after_view, after_cart = model.rank([0], EventKind.VIEW, 3), model.rank([0], EventKind.CART, 3)
    assert (after_view[0][0], after_cart[0][0]) == (0, 1)
    for ranked in (after_view, after_cart):
        assert sum(probability for _category, probability in ranked) == pytest.approx(1.0)
    rows = np.flatnonzero((session >= 300) & (kind == EventKind.CART))[::2]
    quality = evaluate_next_category(model, steps, rows)
    assert quality is not None
    assert (quality.accuracy, quality.last) == (1.0, 0.0)


def test_few_transitions_are_predicted_by_popularity() -> None:
    steps = CategorySteps(np.array([0, 0, 0]), np.array([1, 1, 0]), np.zeros(3, np.int64), np.zeros(3, np.int64))
    model: SessionCategoryModel = fit_next_category(steps, 2, training=np.ones(3, bool), validation=np.zeros(3, bool))
    assert model.reason
    assert [category for category, _p in model.rank([1], 0, 2)] == [0, 1]
    assert predict_top(model, steps, np.array([0]), limit=2).tolist() == [[0, 1]]
