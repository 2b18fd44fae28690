"""The weighted ensemble against known answers."""

import numpy as np
import pytest

from recommendations.engine import recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
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
