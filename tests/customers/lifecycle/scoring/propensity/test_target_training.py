"""From orders to scores, and answers to messages, end to end on made-up people."""

from collections.abc import Mapping

import numpy as np
import pytest

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
    """Half come every week to the hour until they leave, half by chance every two weeks."""
    draws = np.random.default_rng(seed)
    regular = np.arange(n) % 2 == 0
    leaves = draws.exponential(250, n) + 20
    gaps = np.where(regular[:, None], 7.0, draws.exponential(14, (n, 60)))
    at = draws.uniform(0, 30, n)[:, None] + np.cumsum(gaps, axis=1)
    row, _ = np.nonzero(there := at < np.minimum(leaves, days)[:, None])
    return collect_order_lines(
        n_customers=n, customer=row, at=(at[there] * DAY).astype(np.int64), value=draws.gamma(2, 10, len(row))
    )


def halves(as_of: int) -> Mapping[str, np.ndarray]:
    return {"guess": np.where(np.arange(600) % 2 == 0, 0.6, 0.4)}


TARGET = PropensityTarget("purchase", 7)


def test_orders_become_probabilities_of_future_outcomes():
    orders, as_of = make_orders(), 250 * DAY
    found = train_target(
        orders=orders, target=TARGET, as_of=as_of, seed=1, columns=halves, purchase_model_column="guess"
    )
    rows = find_eligible_customers(orders=orders, target=TARGET, as_of=as_of)
    seen = measure_features(orders=orders, as_of=as_of, rows=rows, columns=halves(as_of))
    assert seen.names == found.names
    quality = evaluate_scores(
        score=found.score(seen.matrix), label=label_customers(orders=orders, target=TARGET, as_of=as_of)[rows]
    )
    assert found.reason == "best_candidate"
    assert quality.auc > 0.9
    assert abs(quality.mean_predicted - quality.rate) < 0.05


def test_later_facts_are_not_used_for_training():
    orders, as_of = make_orders(n=250), 120 * DAY
    keep = orders.at < as_of
    earlier = collect_order_lines(
        n_customers=250, customer=orders.get_line_customers()[keep], at=orders.at[keep], value=orders.value[keep]
    )
    first, second = (train_target(orders=one, target=TARGET, as_of=as_of, seed=1) for one in (orders, earlier))
    matrix = measure_features(orders=earlier, as_of=as_of).matrix
    assert np.array_equal(first.score(matrix), second.score(matrix))
    assert first.results == second.results


@pytest.mark.parametrize("as_of", [0, 50 * DAY])
def test_young_shop_has_too_short_a_history(as_of):
    found = train_target(orders=make_orders(), target=TARGET, as_of=as_of, seed=1)
    assert (found.winner, found.reason) == (None, "history_too_short")


def test_responses_to_messages_are_trained_without_recency():
    draws = np.random.default_rng(1)
    matrix = draws.normal(size=(2000, 2)).astype(np.float32)
    rows = {"customer": np.arange(2000) % 700, "sent_at": draws.permutation(2000) * DAY, "seed": 1}
    answered = draws.random(2000) < 1 / (1 + np.exp(1 - 2 * matrix[:, 0]))
    found = train_response(names=("opens", "noise"), matrix=matrix, answered=answered, **rows)
    assert found.reason == "best_candidate"
    assert found.results[0].name == "rate"
    assert found.score(np.array([[2, 0]], np.float32))[0] > 0.8 > 0.3 > found.score(np.array([[-2, 0]], np.float32))[0]
    by_chance = train_response(names=("opens", "noise"), matrix=matrix, answered=draws.random(2000) < 0.3, **rows)
    assert (by_chance.reason, by_chance.winner) == ("baseline_not_beaten", "rate")
    assert by_chance.score(matrix) == pytest.approx(0.3, abs=0.03)
    few = train_response(names=("opens", "noise"), matrix=matrix, answered=np.arange(2000) < 40, **rows)
    assert (few.reason, few.model) == ("few_positives", None)
    with pytest.raises(ValueError, match="one row per message"):
        train_response(names=("opens",), matrix=matrix, answered=answered, **rows)
