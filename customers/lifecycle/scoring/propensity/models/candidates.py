"""The candidate models: fitted by scikit-learn, converted to our own arrays.

Only the functions that need scikit-learn import it: web processes never do, and would start more slowly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.samples import TrainingSample
from customers.lifecycle.scoring.propensity.models.array_models import (
    CurveModel,
    LinearModel,
    ProbabilityColumnModel,
    TreeModel,
    predict_probability,
    to_log_odds,
)
from customers.lifecycle.scoring.propensity.models.calibration import assign_folds, fit_centered_isotonic
from customers.lifecycle.scoring.propensity.models.kernels import LOGIT, PLAIN, SIGNED_LOG, standardize_matrix

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

RECENCY = "recency_days"
MIN_SKEWNESS = 1.5  # skewness from which a column is log-transformed
MIN_SPREAD = 1e-9
KNOTS = (0.2, 0.5, 0.8)
PENALTIES = (0.003, 0.03, 0.3)  # C of scikit-learn
LEAVES = (4, 8)
MAX_TREES, LEARNING_RATE = 300, 0.05
FOREST_TREES, FOREST_DEPTH, FOREST_ROWS = 100, 8, 30_000
RULE_DEPTH, MIN_LEAF_SHARE = 4, 0.01
TUNING_FOLDS = 4  # one in four customers tunes the hyperparameters
TUNING_ROWS = 60_000


@dataclass(frozen=True)
class Hyperparameters:
    """Values tuned on customers of the training part that were held out for it."""

    penalty: float = PENALTIES[1]
    hinges: bool = False
    leaves: int = LEAVES[1]
    trees: int = 100


def fit_rate(sample: TrainingSample) -> CurveModel:
    """Fit the baseline without recency: (P + ½) / (n + 1) for all customers."""
    rate = (float(sample.label.sum()) + 0.5) / (len(sample) + 1.0)
    return CurveModel(0, np.zeros(1), np.array([rate]), mean=rate)


def fit_recency(sample: TrainingSample) -> CurveModel:
    """Fit the baseline: isotonic regression on days since the last order.

    It falls or rises as the labels do.
    """
    column = sample.names.index(RECENCY)
    x = sample.matrix[:, column].astype(np.float64)
    rising = bool(x[sample.label].mean() >= x[~sample.label].mean())
    points = fit_centered_isotonic(x=x, label=sample.label, increasing=rising)
    curve = CurveModel(column, *points, mean=0.0)
    return CurveModel(column, *points, mean=float(curve.predict_margin(sample.matrix).mean()))


def fit_probability_column(sample: TrainingSample, *, column: str) -> ProbabilityColumnModel:
    """Fit nothing but the mean of a column that is a probability."""
    index = sample.names.index(column)
    return ProbabilityColumnModel(index, mean=float(to_log_odds(sample.matrix[:, index].astype(np.float64)).mean()))


def fit_logistic(
    sample: TrainingSample, *, hyperparameters: Hyperparameters, purchase_model_column: str | None = None
) -> LinearModel:
    """Fit logistic regression with an L2 penalty on standardized columns.

    Skewed columns are log-transformed.
    With hyperparameters.hinges each column gets a piecewise linear function with knots at its 20, 50 and 80 % quantiles (an additive
    model), so a column's contribution is still a function of that column alone. purchase_model_column: a probability, taken as log-odds.
    """
    from sklearn.linear_model import LogisticRegression

    transform = np.array(
        [_select_transform(sample, j, purchase_model_column) for j in range(len(sample.names))], np.int64
    )
    k = len(transform)
    raw = _transform_matrix(sample.matrix, transform)
    center, spread = raw.mean(axis=0), raw.std(axis=0)
    constant = spread < MIN_SPREAD
    spread = np.where(constant, 1.0, spread)
    z = standardize_matrix(sample.matrix, transform, center, spread)
    knots = np.quantile(z, KNOTS, axis=0).T.copy() if hyperparameters.hinges else np.empty((k, 0))
    terms = np.concatenate([z, *(np.maximum(0.0, z - knots[:, m]) for m in range(knots.shape[1]))], axis=1)
    model = LogisticRegression(C=hyperparameters.penalty, solver="newton-cholesky", max_iter=200, tol=1e-6)
    model.fit(terms - terms.mean(axis=0), sample.label)
    coefficients = model.coef_[0].reshape(-1, k).T.copy()
    coefficients[constant] = 0.0
    intercept = float(model.intercept_[0] - (model.coef_[0] * terms.mean(axis=0)).sum())
    means = (coefficients.T.reshape(-1) * terms.mean(axis=0)).reshape(-1, k).sum(axis=0)
    return LinearModel(transform, center, spread, knots, coefficients, intercept, means)


def fit_tree(sample: TrainingSample, *, seed: int) -> TreeModel:
    """Fit a decision tree of depth four at most.

    Each leaf has one hundredth of the customers at least, so that rules are readable.
    """
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=RULE_DEPTH, min_samples_leaf=MIN_LEAF_SHARE, random_state=seed)
    model.fit(sample.matrix, sample.label)
    return convert_sklearn_trees([model.tree_], base=0.0)


def fit_forest(sample: TrainingSample, *, seed: int) -> TreeModel:
    """Fit Breiman's random forest: 100 trees of depth 8, a third of the columns at each split.

    On 30,000 rows at most, drawn by the seed, since it takes thirty times as long as boosting. Source: Machine Learning 2001.
    """
    from sklearn.ensemble import RandomForestClassifier

    sample = _draw_rows(sample, FOREST_ROWS, seed)
    min_leaf_rows = max(10, len(sample) // 1000)
    model = RandomForestClassifier(
        FOREST_TREES, max_depth=FOREST_DEPTH, min_samples_leaf=min_leaf_rows, max_features=1 / 3, random_state=seed
    )
    model.fit(sample.matrix, sample.label)
    return convert_sklearn_trees([tree.tree_ for tree in model.estimators_], base=0.0, divided_by=FOREST_TREES)


def fit_boosting(sample: TrainingSample, *, hyperparameters: Hyperparameters, seed: int) -> TreeModel:
    """Fit gradient boosting on histograms with the tuned trees and leaves.

    Source: Ke et al., NeurIPS 2017.
    """
    return convert_boosting_trees(
        train_boosting(sample, leaves=hyperparameters.leaves, trees=hyperparameters.trees, seed=seed)
    )


def train_boosting(sample: TrainingSample, *, leaves: int, trees: int, seed: int) -> "HistGradientBoostingClassifier":
    """Train scikit-learn's gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=trees,
        max_leaf_nodes=leaves,
        min_samples_leaf=max(20, len(sample) // 1000),
        l2_regularization=5.0,
        max_features=0.5,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(sample.matrix, sample.label)


def tune_hyperparameters(sample: TrainingSample, *, purchase_model_column: str | None, seed: int) -> Hyperparameters:
    """Return the hyperparameters with the lowest log loss on a quarter of the customers.

    They are penalty, leaves and trees; the quarter is held out.
    """
    fold = assign_folds(sample.customer, TUNING_FOLDS, seed)
    fit_sample, evaluation_sample = sample.select(np.flatnonzero(fold > 0)), sample.select(np.flatnonzero(fold == 0))
    fit_sample = _draw_rows(fit_sample, TUNING_ROWS, seed)
    if not (_has_both_labels(fit_sample.label) and _has_both_labels(evaluation_sample.label)):
        return Hyperparameters()
    grid = [Hyperparameters(penalty=penalty, hinges=hinges) for hinges in (False, True) for penalty in PENALTIES]
    losses = [
        log_loss(
            predict_probability(
                fit_logistic(fit_sample, hyperparameters=settings, purchase_model_column=purchase_model_column),
                evaluation_sample.matrix,
            ),
            evaluation_sample.label,
        )
        for settings in grid
    ]
    best_linear = grid[int(np.argmin(losses))]
    best = (np.inf, LEAVES[0], 1)
    for leaves in LEAVES:
        model = train_boosting(fit_sample, leaves=leaves, trees=MAX_TREES, seed=seed)
        staged = model._staged_raw_predict(evaluation_sample.matrix)
        for trees, raw in enumerate(staged, 1):
            best = min(best, (log_loss(expit(raw[:, 0]), evaluation_sample.label), leaves, trees))
    return Hyperparameters(penalty=best_linear.penalty, hinges=best_linear.hinges, leaves=best[1], trees=best[2])


def log_loss(probability: Floats, label: Flags) -> float:
    """Return the mean negative log-likelihood."""
    clipped = np.clip(probability, 1e-9, 1 - 1e-9)
    return float(-np.mean(np.log(np.where(label, clipped, 1 - clipped))))


def convert_sklearn_trees(trees: Sequence[Any], *, base: float, divided_by: int = 1) -> TreeModel:
    """Return the arrays of scikit-learn's binary classification trees.

    Leaves hold the positive share over `divided_by`.
    """
    features, thresholds, lefts, rights, values, shares, roots = [], [], [], [], [], [], []
    offset = 0
    for tree in trees:
        counts = tree.value[:, 0, :]
        features.append(np.where(tree.children_left < 0, -1, tree.feature))
        thresholds.append(tree.threshold)
        lefts.append(np.where(tree.children_left < 0, 0, tree.children_left + offset))
        rights.append(np.where(tree.children_left < 0, 0, tree.children_right + offset))
        values.append(counts[:, 1] / counts.sum(axis=1) / divided_by)
        shares.append(tree.weighted_n_node_samples / tree.weighted_n_node_samples[0])
        roots.append(offset)
        offset += tree.node_count
    return TreeModel(
        feature=np.concatenate(features).astype(np.int32),
        threshold=np.concatenate(thresholds).astype(np.float64),
        left=np.concatenate(lefts).astype(np.int32),
        right=np.concatenate(rights).astype(np.int32),
        value=np.concatenate(values),
        share=np.concatenate(shares),
        root=np.array(roots, np.int32),
        base=base,
        scale="probability",
    )


def convert_boosting_trees(model: "HistGradientBoostingClassifier") -> TreeModel:
    """Return the arrays of a fitted binary HistGradientBoostingClassifier.

    Categorical columns and missing values are not supported.
    Its inner nodes hold no mean, so they get that of their leaves, weighted by the rows that fell into them.
    """
    parts: list[npt.NDArray[Any]] = [predictors[0].nodes for predictors in model._predictors]
    roots = np.cumsum([0, *(len(part) for part in parts)])
    nodes = np.concatenate(parts)
    offset = np.repeat(roots[:-1], [len(part) for part in parts])
    leaf = nodes["is_leaf"].astype(bool)
    left = np.where(leaf, 0, nodes["left"] + offset).astype(np.int32)
    right = np.where(leaf, 0, nodes["right"] + offset).astype(np.int32)
    count = nodes["count"].astype(np.float64)
    value = nodes["value"].copy()
    for node in np.flatnonzero(~leaf)[::-1]:  # children come after their parents
        a, b = left[node], right[node]
        value[node] = (count[a] * value[a] + count[b] * value[b]) / (count[a] + count[b])
    root = roots[:-1].astype(np.int32)
    return TreeModel(
        np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
        np.where(leaf, 0.0, nodes["num_threshold"]),
        left,
        right,
        value,
        count / np.repeat(count[root], np.diff(roots)),
        root,
        base=float(np.ravel(model._baseline_prediction)[0]),
        scale="log_odds",
    )


def _select_transform(sample: TrainingSample, column: int, purchase_model_column: str | None) -> int:
    """Return the transform of a column.

    It is the log-odds of the purchase model's probability, and a signed log of skewed columns.
    """
    if sample.names[column] == purchase_model_column:
        return LOGIT
    x = sample.matrix[:, column].astype(np.float64)
    spread = x.std()
    if spread < MIN_SPREAD:
        return PLAIN
    return SIGNED_LOG if abs(float(np.mean(((x - x.mean()) / spread) ** 3))) > MIN_SKEWNESS else PLAIN


def _transform_matrix(matrix: npt.NDArray[np.float32], transform: Ints) -> Floats:
    """Return the transformed matrix."""
    x = matrix.astype(np.float64)
    logs, odds = transform == SIGNED_LOG, transform == LOGIT
    x[:, logs] = np.sign(x[:, logs]) * np.log1p(np.abs(x[:, logs]))
    x[:, odds] = to_log_odds(x[:, odds])
    return x


def _has_both_labels(label: Flags) -> bool:
    """Return whether there are positives and negatives."""
    return 0 < int(label.sum()) < len(label)


def _draw_rows(sample: TrainingSample, limit: int, seed: int) -> TrainingSample:
    """Return at most `limit` rows, drawn by the seed."""
    if len(sample) <= limit:
        return sample
    return sample.select(np.sort(np.random.default_rng(seed).choice(len(sample), limit, replace=False)))
