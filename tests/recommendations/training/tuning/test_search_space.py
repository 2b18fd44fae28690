"""Training tries every registered algorithm unless its spec has a reason not to."""

import pytest

from recommendations.engine import ALGORITHMS, Products
from recommendations.training.tuning.search_space import CANDIDATES, describe_starts, list_candidates


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_is_tried_or_its_spec_has_a_reason(name: str) -> None:
    assert name in CANDIDATES or ALGORITHMS[name].spec.not_tried


def test_cheap_and_required_algorithms_are_tried_first() -> None:
    assert list(CANDIDATES)[:2] == ["popularity", "repeat"]
    assert {"ease", "transition-walk"} <= set(CANDIDATES)


def test_vectors_are_tuned_only_where_products_have_them() -> None:
    plain = Products.of_columns({"title": ["tea", "coffee"]})
    assert "vector_weight" not in list_candidates(plain)["content"].values


def test_start_descriptions_contain_the_algorithm_and_its_parameters() -> None:
    starts = describe_starts()
    assert starts["transitions"]["parameters"]["substitutes"] == 0.0
    assert {component["algorithm"] for component in starts.values()} == set(CANDIDATES)
