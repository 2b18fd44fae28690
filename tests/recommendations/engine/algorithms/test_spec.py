"""Every registered algorithm is tuned by training or gives a reason why not."""

import pytest

from recommendations.engine import ALGORITHMS
from recommendations.engine.algorithms.spec import AlgorithmSpec, DataSize, SearchSpace


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
class TestEverySpec:
    def test_has_a_label(self, name: str) -> None:
        assert ALGORITHMS[name].spec.label

    def test_has_a_search_space_or_a_reason_why_not(self, name: str) -> None:
        spec = ALGORITHMS[name].spec
        assert (spec.search is not None) != bool(spec.not_tried)

    def test_builds_the_algorithm_with_its_first_trial_and_every_value(self, name: str) -> None:
        search = ALGORITHMS[name].spec.search
        if search is None:
            return
        start = {**search.fixed, **search.start, **search.vector_start}
        known = set(ALGORITHMS[name](**start).get_parameters())
        assert {*search.values, *search.vector_values, *search.scoring_only} <= known
        assert search.estimate_mb(DataSize(users=100, items=50, entries=800, interactions=2000), start) > 0
        assert all(start[parameter] in values for parameter, values in search.values.items() if parameter in start)


def test_labels_differ() -> None:
    assert len({algorithm.spec.label for algorithm in ALGORITHMS.values()}) == len(ALGORITHMS)


def test_search_orders_are_distinct() -> None:
    orders = [algorithm.spec.search.order for algorithm in ALGORITHMS.values() if algorithm.spec.search is not None]
    assert len(set(orders)) == len(orders)


def test_spec_needs_either_a_search_space_or_a_reason() -> None:
    with pytest.raises(ValueError, match="needs either a search space or a reason"):
        AlgorithmSpec(label="Nothing")
    search = SearchSpace(order=1, start={}, values={}, estimate_mb=lambda size, parameters: 1.0)
    with pytest.raises(ValueError, match="needs either a search space or a reason"):
        AlgorithmSpec(label="Both", search=search, not_tried="It is slow.")
