"""Simulated customers: their kinds, their known effects, and orders that follow them."""

import numpy as np
import pytest

from config.campaign_simulation.population import (
    DAY_SECONDS,
    Population,
    ResponseKind,
    apply_message,
    draw_orders,
    draw_population,
)

WINDOW = 7


def draw(effect: float, customers: int = 20_000) -> Population:
    return draw_population(customers, effect=effect, window_days=WINDOW, generator=np.random.default_rng(1))


def test_the_mean_effect_is_the_requested_one_and_each_kind_reacts_as_its_name_says() -> None:
    population = draw(0.03)
    effects = {kind: population.effects[population.kinds == kind] for kind in ResponseKind}
    assert population.effects.mean() == pytest.approx(0.03, abs=1e-6)
    assert (effects[ResponseKind.PERSUADABLE] > 0).all()
    assert (effects[ResponseKind.SLEEPING_DOG] < 0).all()
    assert not effects[ResponseKind.SURE_THING].any()
    assert not effects[ResponseKind.LOST_CAUSE].any()
    total = population.base_rates + population.effects
    assert ((total >= 0) & (total <= 1)).all()


def test_an_impossible_effect_is_refused_with_the_largest_possible_one() -> None:
    with pytest.raises(ValueError, match=r"choose one from 0 to 0\.\d+"):
        draw(0.6)


def test_the_same_seed_draws_the_same_customers() -> None:
    np.testing.assert_array_equal(draw(0.03).effects, draw(0.03).effects)


def test_orders_follow_the_known_effects_and_revenue_too() -> None:
    population = draw(0.05, 40_000)
    generator = np.random.default_rng(2)
    stream = draw_orders(population, days=WINDOW, generator=generator)
    everyone = np.ones(len(population), bool)
    after = apply_message(stream, population, sent=everyone, at=0.0, generator=generator)
    converted = [len(np.unique(orders.customers)) / len(population) for orders in (stream, after)]
    assert converted[1] - converted[0] == pytest.approx(0.05, abs=0.005)
    revenue = (after.values.sum() - stream.values.sum()) / len(population)
    assert revenue == pytest.approx(population.revenue_effects.mean(), rel=0.12)
    nobody = apply_message(stream, population, sent=~everyone, at=0.0, generator=generator)
    assert len(nobody.seconds) == len(stream.seconds)
    assert after.seconds.max() < WINDOW * DAY_SECONDS


def test_the_spend_of_repeat_buyers_is_correlated_over_time() -> None:
    population = draw(0.0, 10_000)
    stream = draw_orders(population, days=60, generator=np.random.default_rng(3))
    halves = [
        np.bincount(stream.customers[chosen], stream.values[chosen], len(population))
        for chosen in (stream.seconds < 30 * DAY_SECONDS, stream.seconds >= 30 * DAY_SECONDS)
    ]
    assert np.corrcoef(*halves)[0, 1] > 0.6
