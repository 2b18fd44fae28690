import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from recommendations.engine.algorithms.repeat import boosted_trees
from recommendations.engine.algorithms.repeat.boosted_trees import compute_log_odds, fit_boosted_trees


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_complete_trees_predict_what_scikit_learn_predicts(depth: int) -> None:
    draws = np.random.default_rng(1)
    matrix = draws.normal(size=(600, 4)).astype(np.float32)
    # A step of one column leaves nothing to split below it, so that some leaves end early.
    label = (matrix[:, 0] > 0.5) | ((matrix[:, 1] * matrix[:, 2] > 1) & (draws.random(600) < 0.8))
    model = HistGradientBoostingClassifier(
        learning_rate=boosted_trees.LEARNING_RATE,
        max_iter=12,
        max_depth=depth,
        max_leaf_nodes=None,
        min_samples_leaf=boosted_trees.MIN_LEAF_ROWS,
        l2_regularization=boosted_trees.L2_REGULARIZATION,
        early_stopping=False,
        random_state=3,
    ).fit(matrix, label)
    fitted = fit_boosted_trees(matrix, label, trees=12, depth=depth, seed=3)
    assert fitted.leaves.shape == (12, 2**depth)
    np.testing.assert_allclose(
        compute_log_odds(matrix, *fitted), model._raw_predict(matrix)[:, 0], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("label", [np.zeros(5, np.bool_), np.ones(5, np.bool_), np.zeros(0, np.bool_)])
def test_labels_of_one_class_give_no_tree(label: np.ndarray) -> None:
    matrix = np.ones((len(label), 2), np.float32)
    fitted = fit_boosted_trees(matrix, label, trees=3, depth=2, seed=1)
    assert fitted.leaves.shape == (0, 4)
    assert compute_log_odds(matrix, *fitted).tolist() == [0.0] * len(label)


def test_scoring_does_not_import_scikit_learn() -> None:
    program = (
        "import sys, recommendations.engine.algorithms.repeat.repeat_ranker;"
        "sys.exit(str([name for name in sys.modules if name.startswith('sklearn')][:3]) if 'sklearn' in sys.modules else 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
