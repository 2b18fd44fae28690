"""The models that compete: fitted by scikit-learn, kept as our own arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.propensity.features.samples import Sample
from customers.lifecycle.scoring.propensity.models.array_models import (
    Curve,
    Given,
    Linear,
    Trees,
    probability,
    to_log_odds,
)
from customers.lifecycle.scoring.propensity.models.calibration import centred_isotonic, folds_of
from customers.lifecycle.scoring.propensity.models.kernels import LOGIT, PLAIN, SIGNED_LOG, standardised_matrix

RECENCY = "recency_days"
SKEWED = 1.5  # skewness from which a column is taken by its logarithm
LEAST_SPREAD = 1e-9
KNOTS = (0.2, 0.5, 0.8)
PENALTIES = (0.003, 0.03, 0.3)  # C of scikit-learn
LEAVES = (4, 8)
MOST_TREES, LEARNING_RATE = 300, 0.05
FOREST_TREES, FOREST_DEPTH, FOREST_ROWS = 100, 8, 30_000
RULE_DEPTH, LEAST_LEAF = 4, 0.01
INNER_SHARE = 4  # one of four customers chooses parameters
TUNING_ROWS = 60_000


@dataclass(frozen=True)
class Settings:
    """What was chosen on customers of the training part that were kept aside for it."""

    penalty: float = PENALTIES[1]
    hinges: bool = False
    leaves: int = LEAVES[1]
    trees: int = 100


def fit_rate(sample: Sample) -> Curve:
    """The floor where no recency is known: (P + ½) / (n + 1) for everybody."""
    rate = (float(sample.label.sum()) + 0.5) / (len(sample) + 1.0)
    return Curve(0, np.zeros(1), np.array([rate]), mean=rate)


def fit_recency(sample: Sample) -> Curve:
    """The floor: isotonic regression on days since the last order, falling or rising as the labels do."""
    place = sample.names.index(RECENCY)
    x = sample.matrix[:, place].astype(np.float64)
    rising = bool(x[sample.label].mean() >= x[~sample.label].mean())
    points = centred_isotonic(x=x, label=sample.label, increasing=rising)
    curve = Curve(place, *points, mean=0.0)
    return Curve(place, *points, mean=float(curve.margin(sample.matrix).mean()))


def fit_given(sample: Sample, *, column: str) -> Given:
    place = sample.names.index(column)
    return Given(place, mean=float(to_log_odds(sample.matrix[:, place].astype(np.float64)).mean()))


def fit_logistic(sample: Sample, *, settings: Settings, given: str | None = None) -> Linear:
    """Logistic regression with an L2 penalty on standardised columns, skewed ones by their logarithm, `given` by its log-odds.

    With settings.hinges each column gets a piecewise straight line with knots at its 20, 50 and 80 % quantiles (an additive
    model), so a column's contribution is still a function of that column alone.
    """
    transform = np.array([_transform(sample, j, given) for j in range(len(sample.names))], np.int64)
    k = len(transform)
    raw = _transformed(sample.matrix, transform)
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    constant = spread < LEAST_SPREAD
    spread = np.where(constant, 1.0, spread)
    z = standardised_matrix(sample.matrix, transform, centre, spread)
    knots = np.quantile(z, KNOTS, axis=0).T.copy() if settings.hinges else np.empty((k, 0))
    terms = np.concatenate([z, *(np.maximum(0.0, z - knots[:, m]) for m in range(knots.shape[1]))], axis=1)
    model = LogisticRegression(C=settings.penalty, solver="newton-cholesky", max_iter=200, tol=1e-6)
    model.fit(terms - terms.mean(axis=0), sample.label)
    coefficients = model.coef_[0].reshape(-1, k).T.copy()
    coefficients[constant] = 0.0
    intercept = float(model.intercept_[0] - (model.coef_[0] * terms.mean(axis=0)).sum())
    means = (coefficients.T.reshape(-1) * terms.mean(axis=0)).reshape(-1, k).sum(axis=0)
    return Linear(transform, centre, spread, knots, coefficients, intercept, means)


def fit_tree(sample: Sample, *, seed: int) -> Trees:
    """A decision tree of four questions at most, each answer of one hundredth of the customers at least: rules to read."""
    model = DecisionTreeClassifier(max_depth=RULE_DEPTH, min_samples_leaf=LEAST_LEAF, random_state=seed)
    model.fit(sample.matrix, sample.label)
    return trees_of_sklearn([model.tree_], base=0.0)


def fit_forest(sample: Sample, *, seed: int) -> Trees:
    """Breiman's random forest, 100 trees eight deep, a third of the columns at each split; of 30,000 rows at most, drawn by the
    seed, since it takes thirty times as long as boosting. Source: Machine Learning 2001."""
    sample = _some(sample, FOREST_ROWS, seed)
    least = max(10, len(sample) // 1000)
    model = RandomForestClassifier(
        FOREST_TREES, max_depth=FOREST_DEPTH, min_samples_leaf=least, max_features=1 / 3, random_state=seed
    )
    model.fit(sample.matrix, sample.label)
    return trees_of_sklearn([tree.tree_ for tree in model.estimators_], base=0.0, divided_by=FOREST_TREES)


def fit_boosting(sample: Sample, *, settings: Settings, seed: int) -> Trees:
    """Gradient boosting on histograms: settings.trees trees of settings.leaves leaves. Source: Ke et al., NeurIPS 2017."""
    return trees_of_boosting(boosting(sample, leaves=settings.leaves, trees=settings.trees, seed=seed))


def boosting(sample: Sample, *, leaves: int, trees: int, seed: int) -> HistGradientBoostingClassifier:
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


def choose_settings(sample: Sample, *, given: str | None, seed: int) -> Settings:
    """Penalty, leaves and number of trees with the least log loss on a quarter of the customers, kept aside by the seed."""
    fold = folds_of(sample.customer, INNER_SHARE, seed)
    fitted, judged = sample.taken(np.flatnonzero(fold > 0)), sample.taken(np.flatnonzero(fold == 0))
    fitted = _some(fitted, TUNING_ROWS, seed)
    if not (_both(fitted.label) and _both(judged.label)):
        return Settings()
    lines = [Settings(penalty=penalty, hinges=hinges) for hinges in (False, True) for penalty in PENALTIES]
    losses = [
        log_loss(probability(fit_logistic(fitted, settings=one, given=given), judged.matrix), judged.label)
        for one in lines
    ]
    line = lines[int(np.argmin(losses))]
    best = (np.inf, LEAVES[0], 1)
    for leaves in LEAVES:
        model = boosting(fitted, leaves=leaves, trees=MOST_TREES, seed=seed)
        staged = model._staged_raw_predict(judged.matrix)
        for trees, raw in enumerate(staged, 1):
            best = min(best, (log_loss(expit(raw[:, 0]), judged.label), leaves, trees))
    return Settings(penalty=line.penalty, hinges=line.hinges, leaves=best[1], trees=best[2])


def log_loss(chance: Floats, label: Flags) -> float:
    clipped = np.clip(chance, 1e-9, 1 - 1e-9)
    return float(-np.mean(np.log(np.where(label, clipped, 1 - clipped))))


def trees_of_sklearn(trees: Sequence[Any], *, base: float, divided_by: int = 1) -> Trees:
    """The arrays of scikit-learn's classification trees of two classes: leaves hold the share of the second, over `divided_by`."""
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
    return Trees(
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


def trees_of_boosting(model: HistGradientBoostingClassifier) -> Trees:
    """The arrays of a fitted HistGradientBoostingClassifier of two classes, without categorical columns or missing values.

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
    return Trees(
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


def _transform(sample: Sample, column: int, given: str | None) -> int:
    if sample.names[column] == given:
        return LOGIT
    x = sample.matrix[:, column].astype(np.float64)
    spread = x.std()
    if spread < LEAST_SPREAD:
        return PLAIN
    return SIGNED_LOG if abs(float(np.mean(((x - x.mean()) / spread) ** 3))) > SKEWED else PLAIN


def _transformed(matrix: npt.NDArray[np.float32], transform: Ints) -> Floats:
    x = matrix.astype(np.float64)
    logs, odds = transform == SIGNED_LOG, transform == LOGIT
    x[:, logs] = np.sign(x[:, logs]) * np.log1p(np.abs(x[:, logs]))
    x[:, odds] = to_log_odds(x[:, odds])
    return x


def _both(label: Flags) -> bool:
    return 0 < int(label.sum()) < len(label)


def _some(sample: Sample, most: int, seed: int) -> Sample:
    if len(sample) <= most:
        return sample
    return sample.taken(np.sort(np.random.default_rng(seed).choice(len(sample), most, replace=False)))
