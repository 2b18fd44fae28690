"""Placement weights and metrics on queries with known answers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import Histories, IdMap, Interactions
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries, make_product_histories
from recommendations.engine.evaluation.placement_evaluation import (
    compare_scores,
    evaluate_lists,
    find_best_shares,
    list_categories,
    make_ensemble,
    mix_lists,
    rank_queries,
    repeat_for_all,
    summarize_scores,
    tune_shares,
)

N = 12


def make_pairs() -> Interactions:
    """Thirty users: 0 and 1, 2 and 3, … belong together; 10 and 11 are bought by all users."""
    rows = [(buyer, item) for buyer in range(30) for item in (2 * (buyer % 5), 2 * (buyer % 5) + 1, 10, 11)]
    user, item = np.array(rows).T
    names = IdMap.of([f"{row:02d}" for row in range(30)]), IdMap.of([f"{row:02d}" for row in range(N)])
    return Interactions.from_rows(user=user, item=item, users=names[0], items=names[1], order=np.zeros(len(rows)))


def make_queries(**changes: object) -> EvaluationQueries:
    """Query from each product of a pair to the other one."""
    query_items = np.arange(10, dtype=np.int32)[:, None]
    relevant = csr_array((np.ones(10, np.float32), (np.arange(10), query_items[:, 0] ^ 1)), shape=(10, N))
    excluded = csr_array((np.ones(10, np.float32), (np.arange(10), query_items[:, 0])), shape=(10, N))
    return replace(
        EvaluationQueries(make_product_histories(query_items, N), relevant, np.arange(10, dtype=np.int32), excluded),
        **changes,
    )  # type: ignore[arg-type]


PAIRS = make_pairs()
PARTS = {"popularity": Popularity().fit(PAIRS), "item-knn": ItemKNN(weighting="tf-idf").fit(PAIRS)}


def test_component_with_the_relevant_product_gets_the_weight() -> None:
    weights, value = tune_shares(PARTS, make_queries())
    assert weights == {"item-knn": 1.0}
    assert value == pytest.approx(1.0)


def test_placement_without_components_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least one component"):
        tune_shares({}, make_queries())


def test_placement_is_compared_with_its_fallback_on_the_same_queries() -> None:
    queries = make_queries()
    own, popular = (rank_queries(PARTS[name], queries, seed=1) for name in ("item-knn", "popularity"))
    scores = evaluate_lists(own, popular, queries, seed=1)
    assert (scores.n_queries, scores.n_users) == (10, 10)
    assert scores.own["ndcg"].value == pytest.approx(1.0)
    assert scores.own["precision"].value == pytest.approx(0.1)
    assert scores.difference["ndcg"].value == pytest.approx(1.0 - scores.fallback["ndcg"].value)
    assert np.isnan(scores.difference["ndcg"].low), "ten users are too few for an interval of a difference"
    assert not scores.beats()
    assert not evaluate_lists(popular, own, queries, seed=1).beats()


def test_excluded_products_are_never_shown_and_only_offered_and_allowed_ones_are() -> None:
    queries = make_queries()
    lists = rank_queries(PARTS["popularity"], queries, seed=1)
    assert all(row not in lists[row] for row in range(10))
    offered = csr_array((np.ones(20, np.float32), (np.repeat(np.arange(10), 2), np.tile([3, 10], 10))), shape=(10, N))
    offered_lists = rank_queries(PARTS["popularity"], make_queries(excluded=None, offered=offered), seed=1)
    assert {tuple(row[row >= 0].tolist()) for row in offered_lists} == {(10, 3)}
    allowed = np.arange(N) == 11
    assert set(rank_queries(PARTS["popularity"], make_queries(allowed=allowed), seed=1).ravel().tolist()) == {11, -1}


def test_weights_are_tuned_on_the_offered_products() -> None:
    own_items = np.array([[2, 5]] * 20)
    histories = Histories.of_lists([[2, 5, 5, 5]] * 20, n_items=N)
    relevant = csr_array((np.ones(20, np.float32), (np.arange(20), np.full(20, 5))), shape=(20, N))
    offered = csr_array((np.ones(40, np.float32), (np.repeat(np.arange(20), 2), own_items.ravel())), shape=(20, N))
    queries = EvaluationQueries(histories, relevant, np.arange(20, dtype=np.int32), offered=offered)
    weights, value = tune_shares({**PARTS, "repeat": RepeatPurchase().fit(PAIRS)}, queries)
    assert value == pytest.approx(1.0)
    ranked = rank_queries(make_ensemble({**PARTS, "repeat": RepeatPurchase().fit(PAIRS)}, weights), queries, seed=1)
    assert set(ranked.ravel().tolist()) == {2, 5, -1}


def test_user_with_many_queries_counts_once() -> None:
    own = {name: np.array([1.0, 1.0, 1.0, 0.0, np.nan]) for name in ("ndcg", "hit_rate", "precision")}
    none = {name: np.zeros(5) * own[name] for name in own}
    scores = compare_scores(own, none, np.array([1, 1, 1, 2, 3]), seed=1)
    assert (scores.n_queries, scores.n_users) == (4, 2)
    assert scores.own["ndcg"].value == pytest.approx(0.5)


def test_categories_are_ranked_by_the_sum_over_the_best_products() -> None:
    category = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1], np.int32)  # 10 was bought by 30, each of 0 to 9 by 6
    queries = make_queries(excluded=None)
    few, relevant = list_categories(PARTS["popularity"], queries, category, 2, pool=3, seed=1)
    assert few[0, :3].tolist() == [1, 0, -1]
    many, _ = list_categories(PARTS["popularity"], queries, category, 2, pool=12, seed=1)
    assert many[0, :2].tolist() == [0, 1]
    assert relevant.toarray().tolist() == [[1, 0]] * 10


def test_best_mixture_is_chosen() -> None:
    queries = make_queries(excluded=None)
    scores = {"right": np.arange(N, 0, -1, dtype=np.float32), "wrong": np.where(np.arange(N) > 9, 1.0, 0.0)}
    shares = [{"right": 0.0, "wrong": 1.0}, {"right": 1.0, "wrong": 0.0}]
    mixture, value = find_best_shares([scores], [queries], shares=shares, seed=1)  # type: ignore[list-item]
    assert mixture == shares[1]
    ranked = repeat_for_all(mix_lists(scores, mixture), queries, seed=1)  # type: ignore[arg-type]
    assert ranked[3].tolist() == list(range(10))
    assert value == pytest.approx(float(np.mean(summarize_scores(ranked, queries)["ndcg"])))


def test_no_product_number_decides_among_equal_scores() -> None:
    queries = EvaluationQueries(
        Histories.of_lists([[]] * 400, n_items=40),
        csr_array((400, 40), dtype=np.float32),
        np.arange(400, dtype=np.int32),
    )
    scores = np.append(np.full(30, 1.0), np.full(10, -np.inf)).astype(np.float32)
    ranked = repeat_for_all(scores, queries, seed=1)
    times_shown = np.bincount(ranked.ravel(), minlength=40)
    assert times_shown[30:].sum() == 0
    assert times_shown[:30].min() > 90, "each of 30 products fills a third of 400 lists, 133"
    assert (repeat_for_all(scores, queries, seed=1) == ranked).all()
    fewer = repeat_for_all(
        np.where(np.arange(40) < 3, 3.0 - np.arange(40), -np.inf).astype(np.float32), queries, seed=1
    )
    assert fewer[7].tolist() == [0, 1, 2, *[-1] * 7]
