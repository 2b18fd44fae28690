"""An impression has the probability with which each product was chosen at random, and over many seeds it is the frequency."""

from collections import Counter
from datetime import timedelta
from math import sqrt

import numpy as np
import pytest
import redis

from catalog.models import Product
from customers.events.recent.interactions import RecentActivity
from recommendations.engine.variety.kernels import spread_purchased
from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.impressions.writer import process_queue
from recommendations.serving.models import Impression, PlacementSettings
from recommendations.serving.pipeline.ordering import RandomOrder, compute_log_weights, diversify, rotate
from recommendations.serving.pipeline.propensities import compute_rotation_propensities
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.serve import serve_recommendations
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON

SCORES = np.array([0.9, 0.8, 0.5, 0.45, 0.3, 0.1], np.float32)
PURCHASED = np.array([True, False, True, False, False, False])


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_rotated_product_has_the_frequency_of_its_probability_given_those_above(share: float) -> None:
    reached: Counter[tuple[int, ...]] = Counter()
    chosen: Counter[tuple[int, ...]] = Counter()
    probability: dict[tuple[int, ...], float] = {}
    log_weights = compute_log_weights(SCORES, 1.0)
    for seed in range(6_000):
        order = rotate(log_weights, seed=seed)
        purchased = PURCHASED[order]
        shown = order[spread_purchased(purchased, share)].tolist()
        drawn = RandomOrder(
            order.astype(np.int32),
            log_weights[order],
            purchased if share < 1 else None,
            share,
        )
        choices = compute_rotation_propensities(drawn)
        assert [row for row, _p in choices] == shown[: len(choices)]
        for place, (_row, value) in enumerate(choices[:3]):
            prefix = tuple(shown[:place])
            reached[prefix] += 1
            chosen[*prefix, shown[place]] += 1
            assert probability.setdefault((*prefix, shown[place]), value) == pytest.approx(value)
    compared = 0
    for row, count in chosen.items():
        n, p = reached[row[:-1]], probability[row]
        if n * p > 30 and p < 1:
            assert abs(count - n * p) < 4.5 * sqrt(n * p * (1 - p)), row
            compared += 1
    assert compared > 15


def test_rotation_is_as_strong_for_every_scale_of_scores() -> None:
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.05], np.float32)
    weights = compute_log_weights(shares, 0.5)
    for scores in (
        np.log(shares),
        shares * 1000,
        shares**3,
        -1 / shares,
    ):  # logarithms of probabilities are those of cold start
        np.testing.assert_allclose(compute_log_weights(scores.astype(np.float32), 0.5), weights)
    assert weights[2] == weights[3], "equal scores swap as if there were no order"
    np.testing.assert_allclose(weights[0] - weights[1], 4 * np.log(6 / 5))


def test_diversity_varies_logarithms_of_probabilities_as_much_as_the_probabilities() -> None:
    shares = np.linspace(1.0, 0.1, 12, dtype=np.float32) / 7
    category = np.arange(12) // 4
    similarity = (category[:, None] == category).astype(np.float32)
    for diversity in (0.2, 0.5, 0.9):
        order, logarithms = (
            diversify(np.arange(12, dtype=np.int32), scores, diversity=diversity, similarity=similarity).tolist()
            for scores in (shares, np.log(shares))
        )
        assert logarithms == order
        assert order != sorted(order), diversity


def test_an_explored_product_has_the_frequency_of_its_probability(trained: ModelVersion, loader: StateLoader) -> None:
    names = ("coffee-0", "coffee-1", "cake-3")
    Product.objects.update(published_at=NOON - timedelta(days=400))
    Product.objects.filter(product_id__in=names).update(published_at=NOON - timedelta(days=1))
    loader.get_state(now=NOON)
    loader.has_refresh_thread = True  # no refresh between the requests
    chosen: Counter[tuple[int, str]] = Counter()
    probability: dict[tuple[int, str], float] = {}
    for minute in range(500):
        request = RecommendationRequest("for-you", user_id="user-0", n=10, explain=False)
        at = NOON + timedelta(minutes=minute)
        response = recommend(request=request, now=at, source=loader, activity=RecentActivity())
        ((number, propensity),) = response.propensities
        assert 2 <= number <= 10
        choice = number, response.items[number - 1].product_id
        chosen[choice] += 1
        # the same whenever the slot is at this position: besides the seed, only the age of the visitor's history changes a little
        assert probability.setdefault(choice, propensity) == pytest.approx(propensity, rel=0.01)
    slots = Counter(number for number, _product in chosen.elements())
    assert set(slots) == set(range(2, 11))
    for number in slots:
        products = {product_id: p for (slot, product_id), p in probability.items() if slot == number}
        assert len(products) >= 2
        assert len(products) < len(names) or sum(products.values()) == pytest.approx(1, abs=0.01)
    for (number, product_id), count in chosen.items():
        n, p = slots[number], probability[number, product_id]
        assert abs(count - n * p) < 4 * sqrt(n * p * (1 - p)) + 1


def test_the_probabilities_travel_with_the_impression_to_its_page(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    Product.objects.update(published_at=NOON - timedelta(days=400))
    Product.objects.filter(product_id__in=("coffee-0", "coffee-1")).update(published_at=NOON - timedelta(days=1))
    PlacementSettings.objects.update_or_create(placement="popular", defaults={"rotation": 1.0})
    first = RecommendationRequest("for-you", user_id="user-0", n=6)
    cursor = recommend(request=first, now=NOON, source=loader).next_cursor or ""
    rotated = RecommendationRequest("popular", user_id="user-0", n=3)
    requests = (first, RecommendationRequest("for-you", user_id="user-0", n=6, cursor=cursor), rotated)
    for request in requests:
        serve_recommendations(request=request, now=NOON, source=loader)
    process_queue.writer.flush()
    store_impressions(at=NOON + timedelta(minutes=1))
    pages = Impression.objects.filter(scenario="for-you").order_by("first_rank")
    popular = Impression.objects.get(scenario="popular")
    stored = [page.propensities or [] for page in pages]  # until the last product that was chosen at random
    explored = [value for values in stored for value in [*values, *[None] * (6 - len(values))]]
    [slot] = [number for number, value in enumerate(explored[:10], start=1) if value is not None]
    assert slot > 1
    assert 0 < (explored[slot - 1] or 0) < 1
    assert all(page.propensities is None or any(page.propensities) for page in pages)
    assert len(popular.propensities or []) == 3
    assert all(0 < (value or 0) < 1 for value in popular.propensities or [])


def test_diversity_after_rotation_has_no_known_probability(trained: ModelVersion, loader: StateLoader) -> None:
    PlacementSettings.objects.update_or_create(placement="popular", defaults={"rotation": 1.0})
    plain = recommend(request=RecommendationRequest("popular", n=3), now=NOON, source=loader)
    diverse = recommend(request=RecommendationRequest("popular", n=3, diversity=0.5), now=NOON, source=loader)
    assert len(plain.propensities) == 3
    assert diverse.propensities == ()
