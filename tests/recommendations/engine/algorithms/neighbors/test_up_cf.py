import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.algorithms.neighbors.up_cf import UpCF
from recommendations.engine.data.weighting import DAY

X, Y, Z = 0, 1, 2


def make_baskets() -> Interactions:
    """a: {x}, {x, y}, {y}; b: {x}, {z}; c: {z}."""
    rows = [("a", "x", 0), ("a", "x", 1), ("a", "y", 1), ("a", "y", 2), ("b", "x", 0), ("b", "z", 1), ("c", "z", 0)]
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=np.array(days) * DAY)


def score(**parameters) -> np.ndarray:
    baskets = make_baskets()
    return UpCF(**parameters).fit(baskets).score(baskets.build_histories()).toarray()


def test_scores_are_those_computed_by_hand() -> None:
    # Shares of the last two baskets: a x 1/2, y 1; b x 1/2, z 1/2; c z 1.
    # Similarities squared, α = 1/2: a and b have x in common of two each, (1 / 2)² = 1/4; b and c z, (1 / √2)² = 1/2.
    expected = [
        [1 / 2 + 1 / 4 * 1 / 2, 1, 1 / 4 * 1 / 2],
        [1 / 2 + 1 / 4 * 1 / 2, 1 / 4, 1 / 2 + 1 / 2],
        [1 / 2 * 1 / 2, 0, 1 + 1 / 2 * 1 / 2],
    ]
    np.testing.assert_allclose(score(window=2, locality=2.0, asymmetry=0.5), expected, rtol=1e-5)


def test_asymmetry_moves_the_weight_to_the_own_length() -> None:
    # α = 1 divides by the own number of products: b and c have z in common, b has two products and c one.
    scores = score(window=2, locality=1.0, asymmetry=1.0)
    assert scores[2, X] == pytest.approx(1 * 1 / 2)
    assert scores[1, Z] == pytest.approx(1 / 2 + 1 / 2 * 1)


def test_without_a_window_all_baskets_count() -> None:
    assert score(window=None, locality=50.0)[0, :2] == pytest.approx([2 / 3, 2 / 3], abs=1e-3)


def test_only_the_most_similar_customers_count() -> None:
    # The nearest to b is c, so nothing of a's y.
    assert score(window=2, locality=1.0, asymmetry=0.5, k=1)[1, Y] == 0


def test_reasons_name_the_product_itself_and_what_neighbors_have_in_common() -> None:
    baskets = make_baskets()
    model = UpCF(window=2, locality=2.0, asymmetry=0.5).fit(baskets)
    history = baskets.build_histories(np.array([0]))
    assert [(part.item, part.value) for part in model.explain(history, Y)] == [(Y, 1.0)]
    assert [(part.item, part.value) for part in model.explain(history, Z)] == [(X, pytest.approx(1 / 8))]


@pytest.mark.parametrize("wrong", [{"window": 0}, {"k": 0}, {"locality": 0.0}, {"asymmetry": 1.5}])
def test_wrong_parameters_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        UpCF(**wrong).fit(make_baskets())
