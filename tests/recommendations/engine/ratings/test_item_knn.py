"""Item-based rating prediction against known answers."""

import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.ratings.baseline import RatingBaseline
from recommendations.engine.ratings.item_knn import RatingItemKNN


def test_prediction_matches_the_calculation_by_hand():
    ratings = Interactions.from_ids(
        user_ids=["a", "a", "b", "b", "c"], item_ids=["x", "y", "x", "y", "x"], weight=[5, 4, 2, 1, 4]
    )
    cosine = (5 * 4 + 2 * 1) / np.sqrt((25 + 4) * (16 + 1)) * 2 / (2 + 1)
    base = RatingBaseline(user_shrinkage=10, item_shrinkage=5).fit(ratings).score(ratings.build_histories())
    model = RatingItemKNN(similarity="cosine", shrinkage=1.0, damping=0.5).fit(ratings)
    np.testing.assert_allclose(model.neighbors_.toarray(), [[0, cosine], [cosine, 0]], atol=1e-6)
    deviation = 4 - base[2, 0]
    expected = base[2, 1] + cosine * deviation / (0.5 + cosine)
    assert model.predict(ratings.build_histories(), [2], [1])[0] == pytest.approx(expected, abs=1e-5)
