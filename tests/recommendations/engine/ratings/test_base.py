"""Behavior that all rating algorithms share."""

import pytest

from recommendations.engine import ALGORITHMS, Histories
from tests.recommendations.engine.makers import make_seed_ratings


@pytest.mark.parametrize(
    "name", ["rating-baseline", "rating-item-knn", "rating-user-knn", "rating-factors", "rating-bpmf"]
)
def test_unknown_user_gets_about_the_mean_rating(name):
    ratings = make_seed_ratings()
    model = ALGORITHMS[name]().fit(ratings)
    scores = model.score(Histories.of_lists([[]], n_items=3))
    assert scores.mean() == pytest.approx(ratings.weight.mean(), abs=0.35)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rating-baseline", {"user_shrinkage": -1.0}),
        ("rating-item-knn", {"similarity": "odd"}),
        ("rating-user-knn", {"center": "odd"}),
        ("rating-user-knn", {"damping": -1.0}),
        ("rating-factors", {"factors": 0}),
        ("rating-factors", {"regularization": 0.0}),
        ("rating-bpmf", {"samples": 0}),
        ("rating-bpmf", {"burn_in": -1}),
        ("rating-blend", {"components": {}}),
    ],
)
def test_invalid_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ALGORITHMS[name](**parameters).fit(make_seed_ratings())
