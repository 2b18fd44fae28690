"""Evaluation of predicted ratings."""

import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.evaluation import evaluate_ratings, make_rating_folds


def test_user_without_training_ratings_gets_the_overall_mean():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "z"], weight=[5, 2, 4, 3])
    fold = make_rating_folds(ratings, folds=2, seed=1)[0]
    split = type(fold)(ratings.select(np.array([0, 1])), ratings.select(np.array([2, 3])))
    without_predictions = evaluate_ratings(lambda histories: np.full((len(histories), 3), -np.inf, np.float32), split)
    np.testing.assert_allclose(without_predictions.predicted, [3.5, 3.5])
    assert without_predictions.rmse == without_predictions.mae == pytest.approx(0.5)
    evaluated = evaluate_ratings(lambda histories: np.array([[9.0, 1.0, 2.0]], np.float32), split, n=1)
    np.testing.assert_allclose(evaluated.predicted, [5, 2])
    assert (evaluated.precision[0], evaluated.recall[0], evaluated.f1[0], evaluated.among_rated[0]) == (1, 1, 1, 1)
