"""The next category and the next spend, on histories with known results."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines, collect_order_lines
from customers.lifecycle.scoring.propensity.next_category import (
    NextCategoryModel,
    evaluate_next_category,
    fit_next_category,
)
from customers.lifecycle.scoring.propensity.spend import evaluate_spend, fit_spend_regression


def make_orders(rows: list[tuple[int, float, int]], n_customers: int, n_categories: int) -> OrderLines:
    customer, day, category = (np.array(column) for column in zip(*rows, strict=True))
    return collect_order_lines(
        n_customers=n_customers, customer=customer, at=(day * DAY).astype(np.int64), value=np.ones(len(rows)),
        category=category, n_categories=n_categories, clock=UTC_CLOCK,
    )  # fmt: skip


def test_the_history_is_shrunk_towards_the_shop_by_the_prior():
    orders = make_orders([(0, 0, 0), (0, 10, 1), (0, 10, 0), (1, 10, -1)], 2, 3)
    model = NextCategoryModel(
        np.array([0, 1]), np.array([0.5, 0.3, 0.2]), half_life_days=10.0, prior=2.0, reason="selected"
    )
    scores = model.score(orders=orders, as_of=10 * DAY + 1)
    # the order of day 0 counts ½; that of day 10 counts 1, half of it for each of its categories
    assert scores[0] == pytest.approx([(0.5 + 0.5 + 1) / 3.5, (0.5 + 0.6) / 3.5, 0.4 / 3.5], rel=1e-5)
    assert scores[1] == pytest.approx([0.5, 0.3, 0.2])
    assert model.score(orders=orders, as_of=0)[0] == pytest.approx([0.5, 0.3, 0.2])


def simulate_tastes(loyalty: float, seed: int = 1) -> OrderLines:
    draws = np.random.default_rng(seed)
    n, visits = 300, 12
    taste = draws.integers(0, 6, n)
    own = draws.random((n, visits)) < loyalty
    category = np.where(own, taste[:, None], draws.choice(6, (n, visits), p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]))
    rows = [(i, 10.0 * j + i / n, int(category[i, j])) for i in range(n) for j in range(visits)]
    return make_orders(rows, n, 6)


def test_the_model_beats_the_last_category_and_the_shops_best_seller():
    orders = simulate_tastes(0.7)
    model = fit_next_category(orders=orders, cutoff=80 * DAY, as_of=100 * DAY, seed=1)
    assert isinstance(model, NextCategoryModel)
    assert model.reason == "selected"
    metrics = evaluate_next_category(model=model, orders=orders, as_of=100 * DAY, until=130 * DAY)
    assert metrics["history"].customers == 300
    assert metrics["history"].hit_1 > metrics["last"].hit_1 + 0.1
    assert metrics["history"].hit_1 > metrics["popularity"].hit_1 + 0.1
    assert metrics["history"].log_likelihood > metrics["popularity"].log_likelihood
    assert metrics["last"].log_likelihood is None
    score = model.score(orders=orders, as_of=100 * DAY)
    assert score.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_without_individual_tastes_the_prior_is_large():
    orders = simulate_tastes(0.0)
    model = fit_next_category(orders=orders, cutoff=80 * DAY, as_of=100 * DAY, seed=1)
    assert isinstance(model, NextCategoryModel)
    assert model.prior >= 20


def test_orders_after_as_of_change_nothing():
    orders = simulate_tastes(0.7)
    is_before = orders.at < 100 * DAY
    earlier_orders = collect_order_lines(
        n_customers=300, customer=orders.get_line_customers()[is_before], at=orders.at[is_before], value=orders.value[is_before],
        category=orders.category[is_before], n_categories=6, clock=UTC_CLOCK,
    )  # fmt: skip
    first, second = (
        fit_next_category(orders=lines, cutoff=80 * DAY, as_of=100 * DAY, seed=1) for lines in (orders, earlier_orders)
    )
    assert np.array_equal(
        first.score(orders=orders, as_of=100 * DAY), second.score(orders=earlier_orders, as_of=100 * DAY)
    )
    assert (first.prior, first.half_life_days) == (second.prior, second.half_life_days)


def test_a_shop_without_categories_or_with_few_orders_has_a_reason():
    without_category = make_orders([(0, 1, -1)], 1, 3)
    assert fit_next_category(orders=without_category, cutoff=DAY, as_of=2 * DAY, seed=1) == "no_categories"
    few = fit_next_category(orders=make_orders([(0, 1, 2), (0, 3, 2)], 1, 3), cutoff=2 * DAY, as_of=4 * DAY, seed=1)
    assert isinstance(few, NextCategoryModel)
    assert few.reason == "few_next_orders"
    assert evaluate_next_category(model=few, orders=without_category, as_of=DAY, until=2 * DAY) == {}


def test_a_linear_spend_is_recovered():
    draws = np.random.default_rng(1)
    matrix = draws.random((5000, 3)).astype(np.float32)
    spend = 20 + 30 * matrix[:, 0] + draws.normal(0, 0.1, 5000)
    model = fit_spend_regression(matrix=matrix, spend=spend)
    assert model is not None
    metrics = evaluate_spend(predicted=model.score(matrix), actual=spend)
    assert metrics.r2 > 0.999
    assert metrics.bias == pytest.approx(1)
    assert model.score(np.zeros((1, 3), np.float32)) == pytest.approx([20], abs=0.1)
    assert model.compute_contributions(matrix)[:, 0] == pytest.approx(
        30 * (matrix[:, 0] - matrix[:, 0].mean()), abs=0.1
    )
    assert fit_spend_regression(matrix=matrix[:49], spend=spend[:49]) is None
    without_spend = evaluate_spend(predicted=np.zeros(3), actual=np.zeros(3))
    assert (without_spend.r2, without_spend.bias, without_spend.mae) == (None, None, 0.0)
