"""Rankings of many customers with groups and a limit, compared with the calculation for one customer."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Scores
from recommendations.engine.topn import Ranking
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.engine.variety.purchased_share import limit_purchased_share
from recommendations.engine.variety.ranking import expand_columns, find_first_of_groups, rank_with_limit, use_own_items

N_CUSTOMERS, N_ITEMS = 30, 40


def make_columns(rng: np.random.Generator, share: float) -> csr_array:
    return csr_array((rng.random((N_CUSTOMERS, N_ITEMS)) < share).astype(np.float32))


def make_groups(rng: np.random.Generator) -> ProductGroups:
    parents = rng.integers(-1, 6, N_ITEMS).astype(np.int32)
    return ProductGroups.from_parents(parents)


def rank_one(
    scores: np.ndarray, n: int, *, excluded: set[int], purchased: set[int], share: float, groups: ProductGroups | None
) -> list[int]:
    """Return the list of one customer, step by step."""
    best_first = sorted(
        (-float(score), item) for item, score in enumerate(scores) if score > 0 and item not in excluded
    )
    shown: list[int] = []
    codes: set[int] = set()
    for _score, item in best_first:
        code = int(groups.codes[item]) if groups is not None else item
        if code not in codes:
            codes.add(code)
            shown.append(item)
    order = limit_purchased_share([item in purchased for item in shown], share)
    return [shown[position] for position in order][:n]


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("has_groups", [False, True])
def test_the_rankings_equal_those_of_each_customer(has_groups: bool, share: float, is_sparse: bool) -> None:
    rng = np.random.default_rng(4)
    dense = np.round(rng.random((N_CUSTOMERS, N_ITEMS)), 2).astype(np.float32)
    dense[dense < 0.3] = 0
    groups = make_groups(rng) if has_groups else None
    excluded, bought = make_columns(rng, 0.2), make_columns(rng, 0.4)
    purchased = expand_columns(bought, groups)
    scores: Scores = csr_array(dense) if is_sparse else np.where(dense > 0, dense, -np.inf).astype(np.float32)
    ranking = rank_with_limit(scores, 10, exclude=excluded, purchased=purchased, share=share, groups=groups)
    for row in range(N_CUSTOMERS):
        items = ranking.items[row][ranking.items[row] >= 0].tolist()
        assert items == rank_one(
            dense[row],
            10,
            excluded=set(excluded[[row], :].indices.tolist()),
            purchased=set(purchased[[row], :].indices.tolist()),
            share=share,
            groups=groups,
        )
        assert (ranking.scores[row][: len(items)] == dense[row][items]).all()


def test_repeated_purchases_count_once() -> None:
    scores = np.array([[3.0, 2.0, 1.0]], np.float32)
    twice = csr_array((np.ones(2, np.float32), np.array([0, 0]), np.array([0, 2])), shape=(1, 3))
    nothing = csr_array((1, 3), dtype=np.float32)
    ranking = rank_with_limit(scores, 3, exclude=nothing, purchased=twice, share=0.5)
    assert ranking.items.tolist() == [[1, 0, 2]]


@pytest.mark.parametrize("has_groups", [False, True])
def test_random_ties_do_not_depend_on_the_purchases_of_others(has_groups: bool) -> None:
    rng = np.random.default_rng(7)
    groups = make_groups(rng) if has_groups else None
    scores = np.ones((N_CUSTOMERS, N_ITEMS), np.float32)
    nothing = csr_array((1, N_ITEMS), dtype=np.float32)
    purchased = csr_array(np.vstack([np.zeros((1, N_ITEMS)), make_columns(rng, 0.4).toarray()[1:]]))
    excluded = csr_array((N_CUSTOMERS, N_ITEMS), dtype=np.float32)
    together = rank_with_limit(
        scores, 10, exclude=excluded, purchased=purchased, share=0.3, groups=groups, tie_seed=1, first_row=5
    )
    alone = rank_with_limit(
        scores[:1], 10, exclude=nothing, purchased=nothing, share=0.3, groups=groups, tie_seed=1, first_row=5
    )
    assert together.items[0].tolist() == alone.items[0].tolist()
    assert together.items[0].tolist() != sorted(together.items[0].tolist()), (
        "at random, not in the order of the catalog"
    )
    last = rank_with_limit(
        scores[-1:],
        10,
        exclude=nothing,
        purchased=purchased[[-1], :],
        share=0.3,
        groups=groups,
        tie_seed=1,
        first_row=5 + N_CUSTOMERS - 1,
    )
    assert together.items[-1].tolist() == last.items[0].tolist()


def test_the_first_of_each_group_is_kept_and_missing_items_are_not() -> None:
    groups = ProductGroups.from_parents(np.array([0, 0, -1, 1, 1], np.int32))
    items = np.array([[1, 0, 3, 2], [4, 3, -1, -1]], np.int32)
    assert find_first_of_groups(items, groups).tolist() == [[True, False, True, True], [True, False, False, False]]
    assert find_first_of_groups(np.empty((0, 4), np.int32), groups).shape == (0, 4)


def test_the_item_that_the_customer_bought_comes_before_one_that_they_viewed() -> None:
    groups = ProductGroups.from_parents(np.array([0, 0, 0, -1], np.int32))
    scores = np.array([[0.9, 0.5, 0.7, 0.1]] * 4, np.float32)
    ranking = Ranking(np.array([[0, 3]] * 4, np.int32), np.array([[0.9, 0.1]] * 4, np.float32))
    seen = csr_array(np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 1, 1, 0]], np.float32))
    bought = csr_array(np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], np.float32))
    exclude = csr_array(np.array([[0, 0, 0, 0]] * 3 + [[0, 1, 0, 0]], np.float32))
    own = use_own_items(
        ranking, scores, seen=seen, purchased=bought, exclude=exclude, allowed=np.ones(4, np.bool_), groups=groups
    )
    assert own.items.tolist() == [[1, 3], [2, 3], [0, 3], [2, 3]]
    assert own.scores.tolist() == ranking.scores.tolist()
