"""Ranking metrics against values by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine.evaluation.beyond_accuracy.coverage import compute_coverage
from recommendations.engine.evaluation.ranking_metrics.average_precision import average_precision
from recommendations.engine.evaluation.ranking_metrics.f1 import f1
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.precision import precision
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.evaluation.ranking_metrics.reciprocal_rank import reciprocal_rank
from recommendations.engine.evaluation.rating_metrics.mae import mae
from recommendations.engine.evaluation.rating_metrics.rmse import rmse

# Three users, five ranks: hits at ranks 1 and 3 of 4 relevant items; no hit of 2; no relevant item.
HITS = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
RELEVANT = np.array([4, 2, 0])
GAIN = 1 + 1 / np.log2(4)
IDEAL = 1 + 1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(5)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (precision, 2 / 5),
        (recall, 2 / 4),
        (f1, 2 * 0.4 * 0.5 / 0.9),
        (hit_rate, 1.0),
        (ndcg, GAIN / IDEAL),
        (average_precision, (1 + 2 / 3) / 4),
        (reciprocal_rank, 1.0),
    ],
)
def test_metric_matches_the_calculation_by_hand(metric, expected):
    np.testing.assert_allclose(metric(HITS, RELEVANT), [expected, 0.0, np.nan])


@pytest.mark.parametrize("metric", [precision, recall, f1, hit_rate, ndcg, average_precision, reciprocal_rank])
def test_perfect_list_scores_one(metric):
    np.testing.assert_allclose(metric(np.ones((1, 3), bool), np.array([3])), [1.0])


def test_ndcg_of_a_full_list_of_hits_is_one():
    np.testing.assert_allclose(ndcg(np.ones((1, 3), bool), np.array([10])), [1.0])


def test_reciprocal_rank_of_a_first_hit_at_rank_four_is_a_quarter():
    np.testing.assert_allclose(reciprocal_rank(np.array([[0, 0, 0, 1, 1]], bool), np.array([2])), [0.25])


def test_empty_ranks_are_misses():
    relevant = csr_array(np.array([[0, 1, 0, 1], [1, 0, 0, 0]]))
    items = np.array([[3, 0, -1], [-1, 0, 1]], np.int32)
    assert find_hits(items, relevant).tolist() == [[True, False, False], [False, True, False]]


def test_coverage_counts_each_product_once_and_ignores_empty_ranks():
    assert compute_coverage(np.array([[0, 1], [1, -1]], np.int32), 4) == 0.5
    assert np.isnan(compute_coverage(np.empty((0, 2), np.int32), 0))


def test_rating_errors_match_the_calculation_by_hand():
    assert rmse([3, 4, 5], [3, 2, 4]) == pytest.approx(np.sqrt(5 / 3))
    assert mae([3, 4, 5], [3, 2, 4]) == pytest.approx(1.0)
    assert np.isnan(rmse([], []))
    assert np.isnan(mae([], []))


@pytest.mark.parametrize("metric", [rmse, mae])
def test_missing_predictions_are_an_error(metric):
    with pytest.raises(ValueError, match="first at position 1"):
        metric([1, float("nan")], [1, 2])
    with pytest.raises(ValueError, match="shape"):
        metric([1], [1, 2])
