import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions
from recommendations.training.weighing import Weighing, weighing_space


def make_interactions(kinds: list[str], weights: list[float]) -> Interactions:
    n = len(kinds)
    names = IdMap.of([f"{place:02d}" for place in range(n)])
    return Interactions.from_rows(
        user=np.arange(n), item=np.arange(n), users=names, items=names, weight=weights,
        kind=[KIND_CODES[kind] for kind in kinds],
    )  # fmt: skip


def test_pieces_count_by_their_power_and_only_for_purchases() -> None:
    told = make_interactions(["purchase", "purchase", "rating", "view"], [4, 1, 0.5, 1])
    weighed = Weighing({"purchase": 1.0, "rating": 2.0, "view": 0.2}, quantity=0.5).of(told)
    assert weighed.weight.tolist() == pytest.approx([2, 1, 1, 0.2])


def test_what_counts_nothing_is_left_out() -> None:
    weighed = Weighing({"purchase": 1.0}).of(make_interactions(["view", "purchase"], [1, 9]))
    assert (weighed.item.tolist(), weighed.weight.tolist()) == ([1], [1.0])


def test_only_what_occurs_is_searched() -> None:
    assert weighing_space(make_interactions(["purchase"], [1])) == {}
    assert set(weighing_space(make_interactions(["purchase", "cart", "view"], [2, 1, 1]))) == {
        "view",
        "cart",
        "quantity",
    }
    assert set(weighing_space(make_interactions(["view", "cart"], [1, 1]))) == {"view"}


def test_parameters_that_a_search_does_not_name_are_as_usual() -> None:
    weighing = Weighing.of_parameters({"view": 0.05, "quantity": 0.25})
    assert (weighing.kinds["view"], weighing.kinds["cart"], weighing.quantity) == (0.05, 0.6, 0.25)
    assert Weighing(**weighing.as_json()) == weighing
