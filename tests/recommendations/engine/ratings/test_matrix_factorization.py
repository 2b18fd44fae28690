"""Factor models of ratings on data with a known structure."""

import numpy as np
import pytest

from recommendations.engine.evaluation import evaluate_ratings, make_rating_folds
from recommendations.engine.ratings.baseline import RatingBaseline
from recommendations.engine.ratings.matrix_factorization import RatingFactors
from tests.recommendations.engine.makers import make_stars


@pytest.mark.parametrize("implicit", [True, False])
def test_factors_recover_a_taste_that_biases_cannot(implicit):
    split = make_rating_folds(make_stars(), seed=1)[0]
    model = RatingFactors(factors=2, epochs=60, regularization=0.1, learning_rate=0.03, implicit=implicit)
    error = evaluate_ratings(model.fit(split.train).score, split).rmse
    assert error < 0.5 < evaluate_ratings(RatingBaseline().fit(split.train).score, split).rmse


def test_factors_depend_on_the_seed_and_a_too_large_step_is_rejected():
    ratings = make_stars()
    first, second = (RatingFactors(seed=seed).fit(ratings).item_vectors_ for seed in (0, 1))
    assert not np.array_equal(first, second)
    with pytest.raises(ValueError, match="learning_rate"):
        RatingFactors(learning_rate=1e4).fit(ratings)
