"""Boosted trees as three arrays, scored by Numba: no scikit-learn and no pickle is needed to load or score them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Rows
from config.foundation.processes.thread_limits import limit_numeric_threads
from recommendations.engine.linear_algebra.jit import compiled

LEARNING_RATE = 0.1
MIN_LEAF_ROWS = 20
LEAVES_SHARE = 4000  # a leaf has at least 1 / LEAVES_SHARE of the rows
L2_REGULARIZATION = 5.0

type Matrix = npt.NDArray[np.float32]


class BoostedTrees(NamedTuple):
    """t complete binary trees of one depth d, node i with the children 2i + 1 and 2i + 2.

    feature, threshold: (t, 2^d − 1); a row goes left where its feature is at most the threshold. leaves: (t, 2^d) log-odds. base:
    (1,) log-odds added to the leaves of all trees.
    """

    feature: Rows
    threshold: Floats
    leaves: Floats
    base: Floats


def fit_boosted_trees(matrix: Matrix, label: Flags, *, trees: int, depth: int, seed: int) -> BoostedTrees:
    """Fit gradient boosting on histograms to labels of both classes; without them return no tree.

    matrix: (n, k) without missing values. label: (n,). Source: Friedman, Annals of Statistics 2001; Ke et al., NeurIPS 2017.
    """
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,  # web processes never need it, and would start more slowly
    )

    if not 0 < int(label.sum()) < len(label):
        return BoostedTrees(
            np.empty((0, 2**depth - 1), np.int32), np.empty((0, 2**depth - 1)), np.empty((0, 2**depth)), np.zeros(1)
        )
    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=trees,
        max_depth=depth,
        max_leaf_nodes=None,
        min_samples_leaf=max(MIN_LEAF_ROWS, len(label) // LEAVES_SHARE),
        l2_regularization=L2_REGULARIZATION,
        early_stopping=False,
        random_state=seed,
    )
    with limit_numeric_threads():
        model.fit(matrix, label)
    parts = [_complete_tree(predictors[0].nodes, depth) for predictors in model._predictors]
    return BoostedTrees(
        np.stack([feature for feature, _threshold, _leaves in parts]),
        np.stack([threshold for _feature, threshold, _leaves in parts]),
        np.stack([leaves for _feature, _threshold, leaves in parts]),
        np.ravel(model._baseline_prediction).astype(np.float64)[:1],
    )


def _complete_tree(nodes: npt.NDArray[np.void], depth: int) -> tuple[Rows, Floats, Floats]:
    """Return feature, threshold and leaves of a tree; below a leaf that ends early, every path has its value."""
    n_inner = 2**depth - 1
    feature, threshold = np.zeros(n_inner, np.int32), np.full(n_inner, np.inf)
    node = np.zeros(2 * n_inner + 1, np.int64)  # the tree's own node at each place of the complete tree
    for place in range(n_inner):
        own = nodes[node[place]]
        if own["is_leaf"]:
            node[2 * place + 1 : 2 * place + 3] = node[place]
        else:
            feature[place], threshold[place] = own["feature_idx"], own["num_threshold"]
            node[2 * place + 1], node[2 * place + 2] = own["left"], own["right"]
    return feature, threshold, nodes["value"][node[n_inner:]].astype(np.float64)


@compiled
def compute_log_odds(matrix: Matrix, feature: Rows, threshold: Floats, leaves: Floats, base: Floats) -> Floats:
    """Return the log-odds of each row of the matrix, (n,)."""
    n_inner = feature.shape[1]
    result = np.full(matrix.shape[0], base[0])
    for row in range(matrix.shape[0]):
        for tree in range(feature.shape[0]):
            place = 0
            while place < n_inner:
                # No branch inside, because the processor could not predict it.
                place = 2 * place + 1 + int(matrix[row, feature[tree, place]] > threshold[tree, place])
            result[row] += leaves[tree, place - n_inner]
    return result
