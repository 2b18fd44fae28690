import numpy as np
import pytest

from recommendations.engine import Histories
from recommendations.training.evaluation.latency import measure_latency
from tests.recommendations.engine.makers import make_algorithm, make_products, make_random_interactions


@pytest.mark.parametrize("name", ["popularity", "blend"])
def test_the_median_is_at_most_the_95th_percentile(name: str) -> None:
    interactions = make_random_interactions()
    model = make_algorithm(name).fit(interactions, make_products(interactions.n_items))
    latency = measure_latency(model=model, histories=interactions.build_histories(), seed=1)
    assert 0 < latency.median_ms <= latency.slow_ms


def test_without_a_history_the_latency_is_0() -> None:
    model = make_algorithm("popularity").fit(make_random_interactions())
    no_history = Histories.of_lists([np.empty(0, np.int32)], n_items=60)
    assert measure_latency(model=model, histories=no_history, seed=1).median_ms == 0
