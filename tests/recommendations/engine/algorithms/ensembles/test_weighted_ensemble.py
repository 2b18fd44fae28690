"""The weighted ensemble against known answers."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble, add_normalized
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from tests.recommendations.engine.makers import make_products, make_random_interactions, make_weighted_ensemble


@pytest.mark.parametrize("normalization", ["max", "rank"])
def test_ensemble_of_one_component_ranks_like_the_component(normalization):
    interactions = make_random_interactions()
    component = RepeatPurchase().fit(interactions)
    ensemble = WeightedEnsemble.of_fitted({"repeat": component}, {"repeat": 3.0}, normalization)
    histories = interactions.build_histories()
    np.testing.assert_array_equal(
        recommend(ensemble, histories, 5, exclude_seen=False).items[:, :1],
        recommend(component, histories, 5, exclude_seen=False).items[:, :1],
    )
    assert recommend(ensemble, histories, 1, exclude_seen=False).scores.max() == pytest.approx(1.0)


def test_ensemble_is_the_weighted_sum_of_scores_scaled_to_their_maximum():
    interactions = make_random_interactions()
    popular, own = Popularity().fit(interactions), RepeatPurchase().fit(interactions)
    history = interactions.build_histories().slice_rows(0, 1)
    ensemble = WeightedEnsemble.of_fitted({"popularity": popular, "repeat": own}, {"popularity": 1, "repeat": 3})
    popular_scores, own_scores = popular.score(history), own.score(history).toarray()
    expected = 0.25 * popular_scores / popular_scores.max() + 0.75 * own_scores / own_scores.max()
    scores = ensemble.score(history)
    np.testing.assert_allclose(np.where(np.isfinite(scores), scores, 0), expected, rtol=1e-5)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_equal_scores_share_their_mean_rank(is_sparse):
    scores = np.array([[2, 5, 2, -1, 2, 1], [0, 0, 3, 0, 0, 0]], np.float32)
    total = np.zeros(scores.shape, np.float32)
    add_normalized(total, csr_array(scores) if is_sparse else scores, 0.5, "rank")
    second, last = 0.5 / (1 + np.log(3)), 0.5 / (1 + np.log(5))
    np.testing.assert_allclose(total, [[second, 0.5, second, 0, second, last], [0, 0, 0.5, 0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_all_items_as_good_as_the_last_ranked_one_get_a_score(is_sparse):
    scores = np.ones((2, 301), np.float32)
    scores[0, 0] = 2
    scores[1, 150:] = 0
    total = np.zeros(scores.shape, np.float32)
    add_normalized(total, csr_array(scores) if is_sparse else scores, 1.0, "rank")
    assert total[0, 0] == 1
    np.testing.assert_allclose(total[0, 1:], 1 / (1 + np.log(151.5)), rtol=1e-6)
    np.testing.assert_allclose(total[1], [1 / (1 + np.log(75.5))] * 150 + [0] * 151, rtol=1e-6)


def test_explanation_names_the_components():
    interactions = make_random_interactions()
    ensemble = make_weighted_ensemble().fit(interactions, make_products(interactions.n_items))
    history = interactions.build_histories().slice_rows(0, 1)
    best = int(recommend(ensemble, history, 1, exclude_seen=False).items[0, 0])
    assert {part.source for part in ensemble.explain(history, best)} >= {"popularity", "item-knn", "user-knn"}


@pytest.mark.parametrize(
    "weights", [{"repeat": -1.0}, {"repeat": 0.0}, {"other": 1.0}, {"repeat": float("inf")}, {"repeat": float("nan")}]
)
def test_invalid_weights_are_rejected(weights):
    with pytest.raises(ValueError, match="weights"):
        WeightedEnsemble({"repeat": {"algorithm": "repeat", "parameters": {}}}, weights).fit(make_random_interactions())
