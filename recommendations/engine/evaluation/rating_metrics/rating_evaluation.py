"""Evaluation of predicted ratings: their errors, and the quality of lists of the highest predictions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Scores
from recommendations.engine.data.histories import Histories
from recommendations.engine.evaluation.ranking_metrics.f1 import f1
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.precision import precision
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.evaluation.rating_metrics.mae import mae
from recommendations.engine.evaluation.rating_metrics.rmse import rmse
from recommendations.engine.evaluation.splits import Split
from recommendations.engine.linear_algebra.sparse import list_entry_rows, make_csr
from recommendations.engine.ratings.base import select_newest_ratings
from recommendations.engine.topn import count_block_rows, select_top_n


@dataclass(frozen=True, eq=False)
class RatingFigures:
    """predicted: r̂ of each pair of test, in the order of `actual`. The others: one value per test user, NaN without a liked item.

    precision, recall, f1: of the n highest r̂ among all items not rated in train. among_rated: the precision of the n highest r̂ among
    the items rated in test, for users who rated more than n of them, so that there is a choice.
    """

    n: int
    predicted: npt.NDArray[np.float64]
    actual: npt.NDArray[np.float64]
    precision: PerUser
    recall: PerUser
    f1: PerUser
    among_rated: PerUser

    @property
    def rmse(self) -> float:
        return rmse(self.predicted, self.actual)

    @property
    def mae(self) -> float:
        return mae(self.predicted, self.actual)


def evaluate_ratings(
    score: Callable[[Histories], Scores],
    split: Split,
    *,
    n: int = 10,
    liked_from: float = 4.0,
    seed: int = 0,
) -> RatingFigures:
    """Predict every rating of test with an algorithm fitted on train, and evaluate.

    The newest rating of a pair counts. Predictions are clipped to the range of train's ratings; a missing prediction (-inf, NaN)
    becomes the mean of the user's ratings in train, or the mean of all for users without any. A rating of at least `liked_from` is
    relevant. Ties in lists are broken at random by the seed. Memory: the dense scores of one block of users.
    """
    users = np.unique(split.test.user)
    histories = split.train.build_histories(users)
    test_ratings = select_newest_ratings(split.test.build_histories(users))
    ratings = select_newest_ratings(histories)
    all_ratings = select_newest_ratings(split.train.build_histories())
    lowest, highest = float(all_ratings.data.min()), float(all_ratings.data.max())
    means = _compute_means(ratings, float(all_ratings.data.mean(dtype=np.float64)))
    predicted = np.empty(test_ratings.nnz)
    lists, rated_lists = np.full((len(users), n), -1, np.int32), np.full((len(users), n), -1, np.int32)
    size = count_block_rows(split.train.n_items)
    for start in range(0, len(users), size):
        stop = min(start + size, len(users))
        scores = score(histories.slice_rows(start, stop))
        lists[start:stop] = select_top_n(
            scores, n, exclude=ratings[start:stop, :], tie_seed=seed, first_row=start
        ).items
        dense = _make_dense(scores)
        rows = np.repeat(np.arange(stop - start), np.diff(test_ratings.indptr[start : stop + 1]))
        entries = slice(test_ratings.indptr[start], test_ratings.indptr[stop])
        values = dense[rows, test_ratings.indices[entries]]
        predicted[entries] = np.where(np.isfinite(values), values, means[start + rows])
        rated_scores = make_csr(
            values,
            test_ratings.indices[entries],
            test_ratings.indptr[start : stop + 1] - test_ratings.indptr[start],
            dense.shape,
        )
        rated_lists[start:stop] = select_top_n(rated_scores, n, tie_seed=seed, first_row=start).items
    liked = _select_liked(test_ratings, liked_from)
    counts = np.diff(liked.indptr)
    hits = find_hits(lists, liked)
    among_rated = precision(find_hits(rated_lists, liked), counts)
    among_rated[np.diff(test_ratings.indptr) <= n] = np.nan
    return RatingFigures(
        n,
        np.clip(predicted, lowest, highest),
        test_ratings.data.astype(np.float64),
        precision(hits, counts),
        recall(hits, counts),
        f1(hits, counts),
        among_rated,
    )


def _compute_means(ratings: csr_array, default: float) -> npt.NDArray[np.float64]:
    counts = np.diff(ratings.indptr)
    sums = np.bincount(list_entry_rows(ratings), ratings.data, len(counts))
    return np.divide(sums, counts, out=np.full(len(counts), default), where=counts > 0)


def _make_dense(scores: Scores) -> npt.NDArray[np.float32]:
    if not isinstance(scores, csr_array):
        return scores
    dense = np.full(scores.shape, -np.inf, np.float32)
    dense[list_entry_rows(scores), scores.indices] = scores.data
    return dense


def _select_liked(ratings: csr_array, liked_from: float) -> csr_array:
    is_liked = ratings.data >= liked_from
    indptr = np.concatenate([[0], np.cumsum(is_liked)])[ratings.indptr]
    return make_csr(np.ones(int(is_liked.sum())), ratings.indices[is_liked], indptr, ratings.shape)
