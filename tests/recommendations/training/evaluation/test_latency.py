import numpy as np
import pytest

from recommendations.engine import Histories
from recommendations.training.evaluation.latency import measure_latency
from tests.recommendations.engine.makers import make_algorithm, make_products, make_random_interactions


@pytest.mark.parametrize("name", ["popularity", "blend"])
def test_half_of_the_answers_are_faster_than_the_slow_ones(name: str) -> None:
    interactions = make_random_interactions()
    model = make_algorithm(name).fit(interactions, make_products(interactions.n_items))
    latency = measure_latency(model=model, histories=interactions.histories(), seed=1)
    assert 0 < latency.median_ms <= latency.slow_ms


def test_nobody_to_recommend_to_takes_no_time() -> None:
    model = make_algorithm("popularity").fit(make_random_interactions())
    nobody = Histories.of_lists([np.empty(0, np.int32)], n_items=60)
    assert measure_latency(model=model, histories=nobody, seed=1).median_ms == 0
