"""Counts of pairs and their bound, against answers by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import KIND_CODES, Interactions, restore
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.engine.algorithms.sequences.transitions import Transitions
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.pair_support.kernels import bound_confidence
from recommendations.engine.pair_support.support import (
    PairCounts,
    PairSupport,
    SupportLevel,
    bound_lifts,
    find_partners,
    select_partners,
)

CUP, TEA, TRAY = 0, 1, 2
VIEW, PURCHASE = KIND_CODES["view"], KIND_CODES["purchase"]


def make_visits() -> Interactions:
    """Six people buy tea and then a cup, one of them the other way round; two view the tray after the tea."""
    rows = [(f"u{user}", 10, "1 tea", PURCHASE) for user in range(6)]
    rows += [(f"u{user}", 5 if user == 0 else 20, "0 cup", PURCHASE) for user in range(6)]
    rows += [(f"u{user}", 30, "2 tray", VIEW) for user in (1, 2)]
    rows += [(f"v{user}", 10, "3 rice", PURCHASE) for user in range(40)]
    users, times, items, kinds = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=times, kind=kinds)


def find_pair(model, first: int, second: int) -> PairCounts:
    return model.support_.find(np.array([first]), np.array([second]))


def test_transitions_count_the_people_who_chose_the_second_product_afterwards():
    model = Transitions().fit(make_visits())
    model.learn_support(make_visits())
    assert find_pair(model, TEA, CUP).people[0] == 5, "u0 bought the cup first"
    assert find_pair(model, CUP, TEA).people[0] == 1
    assert find_pair(model, TEA, TRAY).people[0] == 2
    levels = [find_pair(model, *pair).grade(5)[0] for pair in ((TEA, CUP), (TEA, TRAY), (CUP, TEA))]
    assert levels == [SupportLevel.OFTEN, SupportLevel.SOME, SupportLevel.NONE]


def test_similar_products_count_the_people_who_bought_both():
    model = ItemKNN().fit(make_visits())
    model.learn_support(make_visits())
    assert find_pair(model, TEA, CUP).people[0] == 6
    assert find_pair(model, TEA, TRAY).people[0] == 0, "the tray was only viewed"
    assert find_pair(model, TEA, 3).grade(5)[0] == SupportLevel.NONE, "nobody has both, so the pair is not stored"
    assert find_pair(model, 99, CUP).grade(5)[0] == SupportLevel.NONE, "a product newer than the model"


@pytest.mark.parametrize("people", [1, 2, 4, 5])
def test_the_level_follows_the_number_of_people(people):
    counts = PairCounts(np.array([0], np.int32), np.array([people], np.int32), np.array([3.0], np.float32))
    expected = {1: SupportLevel.NONE, 2: SupportLevel.SOME, 4: SupportLevel.SOME, 5: SupportLevel.OFTEN}[people]
    assert counts.grade(5)[0] == expected


def test_the_support_is_saved_with_the_model_and_discarded_by_the_next_fit():
    model = ItemKNN().fit(make_visits())
    assert not any(name.startswith("support") for name in model.to_arrays()[0]), "scores do not need it"
    model.learn_support(make_visits())
    again = restore(*model.to_arrays())
    assert find_pair(again, TEA, CUP) == find_pair(model, TEA, CUP)
    assert model.fit(make_visits()).support_ is None


def test_a_model_of_an_earlier_release_has_no_support():
    arrays, saved = ItemKNN().fit(make_visits()).to_arrays()
    assert restore(arrays, saved).support_ is None


def test_the_bound_is_wilsons_and_approaches_the_plain_lift():
    plain = bound_lifts(40, 100, 800, 40_000, prior=0.0, z=0.0)
    assert plain == pytest.approx(20.0)
    # Wilson's lower limit of 40 of 100 with z = 1.645 is 0.3232
    assert bound_lifts(40, 100, 800, 40_000, prior=0.0, z=1.645) * 0.02 == pytest.approx(0.3232, abs=2e-4)
    bounds = bound_lifts(np.array([2, 40, 4000]), np.array([5, 100, 10_000]), 800, 40_000, prior=1.0, z=1.645)
    assert (np.diff(bounds) > 0).all(), "the same share of more orders is more certain"
    assert bounds[-1] < 20
    assert bound_lifts(0, 0, 0, 0, prior=1.0, z=1.645) == 0


def test_partners_of_all_rows_are_those_of_each_row() -> None:
    rng = np.random.default_rng(4)
    n = 12
    matrix = make_csr(*_list_random_entries(rng, n), (n, n))
    people = rng.integers(0, 4, matrix.nnz).astype(np.int32)
    support = PairSupport(matrix.indptr, matrix.indices, people, people, people.astype(np.float32))
    given = csr_array((rng.random((5, n)) < 0.2).astype(np.float32))
    partners = find_partners([support, support], given)
    for row in range(5):
        expected = select_partners([support], given[[row], :].indices, n)
        assert sorted(partners[[row], :].indices.tolist()) == np.flatnonzero(expected).tolist()
    assert not find_partners([], given).nnz


def _list_random_entries(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    is_stored = rng.random((n, n)) < 0.4
    indptr = np.concatenate([[0], np.cumsum(is_stored.sum(axis=1))])
    return np.ones(int(is_stored.sum())), np.nonzero(is_stored)[1], indptr


def test_the_kernel_and_the_vectorized_formula_give_the_same_bound():
    pairs, first, share = np.array([2.0, 40.0, 300.0]), np.array([5.0, 100.0, 300.0]), 0.02
    bounds = [bound_confidence(*pair, share, 1.0, 1.645) for pair in zip(pairs, first, strict=True)]
    assert bound_lifts(pairs, first, 800, 40_000, prior=1.0, z=1.645) * share == pytest.approx(np.array(bounds))
