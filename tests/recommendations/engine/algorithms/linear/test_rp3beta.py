"""Random walks against answers by hand."""

import numpy as np
import pytest

from recommendations.engine import Histories, recommend
from recommendations.engine.algorithms.linear.rp3beta import RP3Beta
from tests.recommendations.engine.makers import make_checkerboard, make_three


def test_walks_match_the_calculation_by_hand():
    # From y: to a or b by 1/2 each; a goes on to x or y, b to y or z by 1/2; from x: to a, then y by 1/2.
    model = RP3Beta(damping=0.0).fit(make_three())
    np.testing.assert_allclose(model.walks_.toarray(), [[0, 1 / 2, 0], [1 / 4, 0, 1 / 4], [0, 1 / 4, 0]])
    damped = RP3Beta(damping=1.0).fit(make_three())
    np.testing.assert_allclose(damped.walks_.toarray(), [[0, 1 / 4, 0], [1 / 4, 0, 1 / 8], [0, 1 / 8, 0]])
    scores = model.score(Histories.of_lists([[0, 2]], n_items=3)).toarray()
    np.testing.assert_allclose(scores, [[0, 1 / 2 * (1 / 2 + 1 / 4), 0]])


def test_exponent_changes_each_step():
    model = RP3Beta(damping=0.0, exponent=2.0).fit(make_three())
    np.testing.assert_allclose(model.walks_.toarray(), [[0, 1 / 4, 0], [1 / 16, 0, 1 / 16], [0, 1 / 16, 0]])


@pytest.mark.parametrize("model", [RP3Beta()])
def test_withheld_squares_of_the_checkerboard_rank_first(model):
    board, withheld = make_checkerboard()
    first = recommend(model.fit(board), board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(RP3Beta(k=0), "k"), (RP3Beta(exponent=0.0), "exponent")],
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_three())
