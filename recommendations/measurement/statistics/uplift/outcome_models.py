"""Models of expected outcomes and of effects, from simple to flexible.

Candidates are compared by cross-validation on the training rows only. The last column of every matrix is a first estimate of the target,
which the simplest candidate only scales: with little to learn from, nothing else is learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints

FOLDS = 3
# Rows for comparing candidates: up to MAX_FOLDED_ROWS by cross-validation; with more, by a single split, which takes as long
MAX_FOLDED_ROWS = 50_000
MAX_TUNING_ROWS = 200_000
MIN_GAIN = 0.5  # standard errors by which a more flexible candidate must be better
MAX_LINEAR_ROWS = 200_000
MIN_HITS = 30  # of the rarer outcome; with fewer, the mean rate is used
SCALED = "scaled"
MIN_SLOPE = 0.1
TINY = 1e-18
SPREAD = 5.0  # standard deviations beyond which linear models clip a feature


class Predictor(Protocol):
    """Predicts a number per row from a matrix (n, k) that may have NaN."""

    def predict(self, matrix: Floats) -> Floats: ...


class ConstantModel:
    """Predicts the same for everyone."""

    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, matrix: Floats) -> Floats:
        return np.full(len(matrix), self.value)


class ProbabilityModel:
    """A fitted classifier's probability of outcome 1."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def predict(self, matrix: Floats) -> Floats:
        probability: Floats = self.classifier.predict_proba(matrix)[:, 1]
        return probability


class KnownColumnsModel:
    """A model of the columns that had a value in the training rows: trees cannot be fitted to a column without any."""

    def __init__(self, columns: Ints, model: Predictor) -> None:
        self.columns = columns
        self.model = model

    def predict(self, matrix: Floats) -> Floats:
        return self.model.predict(matrix[:, self.columns])


class MeanModel:
    """The mean of several models."""

    def __init__(self, models: Sequence[Predictor]) -> None:
        self.models = models

    def predict(self, matrix: Floats) -> Floats:
        return np.mean([model.predict(matrix) for model in self.models], axis=0)


def is_binary(outcome: Floats) -> bool:
    """Return whether all outcomes are 0 or 1."""
    return bool(np.isin(outcome, (0, 1)).all())


def build_trees(kind: str, leaves: int, leaf_rows: int, trees: int, **options: Any) -> Any:
    from sklearn import ensemble  # web processes never need it, and would start more slowly

    return getattr(ensemble, kind)(
        max_leaf_nodes=leaves,
        min_samples_leaf=leaf_rows,
        max_iter=trees,
        learning_rate=0.08,
        l2_regularization=10.0,
        max_bins=127,
        early_stopping=False,
        random_state=0,
        **options,
    )


def clip_spread(matrix: Floats) -> Floats:
    return np.clip(matrix, -SPREAD, SPREAD)


def build_linear(kind: str, **options: Any) -> Any:
    from sklearn import linear_model
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        FunctionTransformer(clip_spread),
        getattr(linear_model, kind)(**options),
    )


type Factory = Callable[[int], Any]  # rows to fit on → an unfitted model

# From simple to flexible. Leaves hold a share of the rows, so that rare outcomes don't make leaves of one customer.
CLASSIFIERS: dict[str, Factory] = {
    "linear_strict": lambda _n: build_linear("LogisticRegression", C=0.003, max_iter=200),
    "linear": lambda _n: build_linear("LogisticRegression", C=0.3, max_iter=200),
    "stumps": lambda n: build_trees("HistGradientBoostingClassifier", 4, max(20, n // 200), 60),
    "trees": lambda n: build_trees("HistGradientBoostingClassifier", 15, max(20, n // 1000), 80),
}
REGRESSORS: dict[str, Factory] = {
    "linear_strict": lambda n: build_linear("Ridge", alpha=n / 5),
    "linear": lambda n: build_linear("Ridge", alpha=n / 100),
    "stumps": lambda n: build_trees("HistGradientBoostingRegressor", 4, max(20, n // 50), 40),
    "trees": lambda n: build_trees("HistGradientBoostingRegressor", 8, max(20, n // 200), 80),
}


@dataclass(frozen=True)
class ScaledModel:
    """Intercept + slope × the last column, with a slope of at least 0, so that the order of a first estimate is kept."""

    intercept: float
    slope: float

    def predict(self, matrix: Floats) -> Floats:
        return self.intercept + self.slope * matrix[:, -1]


class ModelChoices:
    """The candidate of each model, chosen the first time that it is asked for."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def get(self, key: str, choose: Callable[[], str]) -> str:
        if key not in self.names:
            self.names[key] = choose()
        return self.names[key]


def fit_outcome_model(matrix: Floats, outcome: Floats, name: str) -> Predictor:
    """Fit one candidate of an expected outcome; the mean where there is too little to learn from."""
    if not is_binary(outcome):
        return fit_regressor(matrix, outcome, name)
    known = find_known_columns(matrix)
    if len(known) < matrix.shape[1]:
        return KnownColumnsModel(known, fit_outcome_model(matrix[:, known], outcome, name))
    hits = outcome.sum()
    if min(hits, len(outcome) - hits) < MIN_HITS:
        return ConstantModel(float((hits + 0.5) / (len(outcome) + 1)))
    if name == SCALED:
        return fit_scaled_model(matrix, outcome)
    rows = draw_rows(len(outcome), MAX_LINEAR_ROWS if name.startswith("linear") else len(outcome))
    return ProbabilityModel(CLASSIFIERS[name](len(outcome)).fit(matrix[rows], outcome[rows]))


def fit_regressor(matrix: Floats, target: Floats, name: str) -> Predictor:
    """Fit one candidate by least squares."""
    known = find_known_columns(matrix)
    if len(known) < matrix.shape[1]:
        return KnownColumnsModel(known, fit_regressor(matrix[:, known], target, name))
    if len(target) < 2 * MIN_HITS:
        return ConstantModel(float(target.mean()) if len(target) else 0.0)
    if name == SCALED:
        return fit_scaled_model(matrix, target)
    fitted: Predictor = REGRESSORS[name](len(target)).fit(matrix, target)
    return fitted


def find_known_columns(matrix: Floats) -> Ints:
    return np.flatnonzero(~np.isnan(matrix).all(axis=0)) if len(matrix) else np.arange(matrix.shape[1])


def fit_scaled_model(matrix: Floats, target: Floats) -> ScaledModel:
    """Fit intercept and slope by least squares, the slope shrunk by its standard error and at least MIN_SLOPE."""
    first = matrix[:, -1]
    variance = float(first.var())
    if variance < TINY:
        return ScaledModel(float(target.mean() - first.mean()), 1.0)
    slope = float(np.cov(first, target, ddof=0)[0, 1]) / variance
    error = float(target.var()) / (variance * len(target))  # of the slope, squared, under no relation
    slope = max(slope * slope**2 / (slope**2 + error), MIN_SLOPE)
    return ScaledModel(float(target.mean() - slope * first.mean()), slope)


def choose_outcome_model(matrix: Floats, outcome: Floats) -> str:
    """Return the candidate of an expected outcome with the smallest cross-validated squared error (the Brier score of yes/no)."""
    candidates = CLASSIFIERS if is_binary(outcome) else REGRESSORS
    return choose_candidate(matrix, outcome, [SCALED, *candidates], fit_outcome_model)


def choose_regressor(matrix: Floats, target: Floats) -> str:
    """Return the candidate for an effect with the smallest cross-validated squared error."""
    return choose_candidate(matrix, target, [SCALED, *REGRESSORS], fit_regressor)


def choose_candidate(
    matrix: Floats, target: Floats, names: Sequence[str], fit: Callable[[Floats, Floats, str], Predictor]
) -> str:
    """Return the best candidate; a more flexible one must be better than a simpler one by half a standard error."""
    rows = draw_rows(len(target), MAX_TUNING_ROWS)
    matrix, target = matrix[rows], target[rows]
    fold = assign_folds(len(target), FOLDS, seed=1)
    folds = range(FOLDS if len(target) <= MAX_FOLDED_ROWS else 1)
    best, best_errors = names[0], np.empty(0)
    for name in names:
        errors = np.concatenate([measure_errors(matrix, target, fold == number, name, fit) for number in folds])
        if not len(best_errors) or is_smaller(errors, best_errors):
            best, best_errors = name, errors
    return best


def measure_errors(
    matrix: Floats, target: Floats, outside: Flags, name: str, fit: Callable[[Floats, Floats, str], Predictor]
) -> Floats:
    """Return the squared errors of the rows outside by a model of the others."""
    model = fit(matrix[~outside], target[~outside], name)
    errors: Floats = (target[outside] - model.predict(matrix[outside])) ** 2
    return errors


def is_smaller(errors: Floats, others: Floats) -> bool:
    gain = others - errors
    return bool(gain.mean() > MIN_GAIN * gain.std() / np.sqrt(len(gain)))


def draw_rows(n: int, limit: int) -> Ints:
    """Return all rows, or a random sample if there are more than the limit."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, limit, replace=False))


def assign_folds(n: int, folds: int, *, seed: int) -> Ints:
    """Return a random fold per row, with sizes that differ by at most one."""
    return np.random.default_rng(seed).permutation(n) % folds
