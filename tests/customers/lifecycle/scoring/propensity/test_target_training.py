"""Training from orders, and from responses to messages, end to end on simulated customers."""

from collections.abc import Mapping

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines, collect_order_lines
from customers.lifecycle.scoring.propensity.features.features import measure_features
from customers.lifecycle.scoring.propensity.features.labels import (
    PropensityTarget,
    find_eligible_customers,
    label_customers,
)
from customers.lifecycle.scoring.propensity.metrics import evaluate_scores
from customers.lifecycle.scoring.propensity.target_training import train_response, train_target


def make_orders(n: int = 600, days: int = 300, seed: int = 1) -> OrderLines:
    """Return orders of two kinds of customers.

    Half order exactly every week until they leave, half at random every two weeks.
    """
    draws = np.random.default_rng(seed)
    regular = np.arange(n) % 2 == 0
    leaves = draws.exponential(250, n) + 20
    gaps = np.where(regular[:, None], 7.0, draws.exponential(14, (n, 60)))
    at = draws.uniform(0, 30, n)[:, None] + np.cumsum(gaps, axis=1)
    row, _ = np.nonzero(is_within := at < np.minimum(leaves, days)[:, None])
    return collect_order_lines(
        n_customers=n,
        customer=row,
        at=(at[is_within] * DAY).astype(np.int64),
        value=draws.gamma(2, 10, len(row)),
        clock=UTC_CLOCK,
    )


def predict_by_half(as_of: int) -> Mapping[str, np.ndarray]:
    return {"guess": np.where(np.arange(600) % 2 == 0, 0.6, 0.4)}


TARGET = PropensityTarget("purchase", 7)


def test_orders_become_probabilities_of_future_outcomes():
    orders, as_of = make_orders(), 250 * DAY
    model = train_target(
        orders=orders, target=TARGET, as_of=as_of, seed=1, columns=predict_by_half, purchase_model_column="guess"
    )
    rows = find_eligible_customers(orders=orders, target=TARGET, as_of=as_of)
    features = measure_features(orders=orders, as_of=as_of, rows=rows, columns=predict_by_half(as_of))
    assert features.names == model.names
    quality = evaluate_scores(
        score=model.score(features.matrix), label=label_customers(orders=orders, target=TARGET, as_of=as_of)[rows]
    )
    assert model.reason == "best_candidate"
    assert quality.auc > 0.9
    assert abs(quality.mean_predicted - quality.rate) < 0.05


def test_facts_after_as_of_are_not_used_for_training():
    orders, as_of = make_orders(n=250), 120 * DAY
    is_before = orders.at < as_of
    earlier = collect_order_lines(
        n_customers=250,
        customer=orders.get_line_customers()[is_before],
        at=orders.at[is_before],
        value=orders.value[is_before],
        clock=UTC_CLOCK,
    )
    first, second = (train_target(orders=lines, target=TARGET, as_of=as_of, seed=1) for lines in (orders, earlier))
    matrix = measure_features(orders=earlier, as_of=as_of).matrix
    assert np.array_equal(first.score(matrix), second.score(matrix))
    assert first.results == second.results


@pytest.mark.parametrize("as_of", [0, 50 * DAY])
def test_a_young_shop_has_too_short_a_history(as_of):
    model = train_target(orders=make_orders(), target=TARGET, as_of=as_of, seed=1)
    assert (model.winner, model.reason) == (None, "history_too_short")


def test_responses_to_messages_are_trained_without_recency():
    draws = np.random.default_rng(1)
    matrix = draws.normal(size=(2000, 2)).astype(np.float32)
    rows = {"customer": np.arange(2000) % 700, "sent_at": draws.permutation(2000) * DAY, "seed": 1}
    has_responded = draws.random(2000) < 1 / (1 + np.exp(1 - 2 * matrix[:, 0]))
    model = train_response(names=("opens", "noise"), matrix=matrix, answered=has_responded, **rows)
    assert model.reason == "best_candidate"
    assert model.results[0].name == "rate"
    assert model.score(np.array([[2, 0]], np.float32))[0] > 0.8 > 0.3 > model.score(np.array([[-2, 0]], np.float32))[0]
    random_model = train_response(names=("opens", "noise"), matrix=matrix, answered=draws.random(2000) < 0.3, **rows)
    assert (random_model.reason, random_model.winner) == ("baseline_not_beaten", "rate")
    assert random_model.score(matrix) == pytest.approx(0.3, abs=0.03)
    model_of_few = train_response(names=("opens", "noise"), matrix=matrix, answered=np.arange(2000) < 40, **rows)
    assert (model_of_few.reason, model_of_few.model) == ("few_positives", None)
    with pytest.raises(ValueError, match="one row per message"):
        train_response(names=("opens",), matrix=matrix, answered=has_responded, **rows)
