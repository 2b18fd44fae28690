"""Trains a sentiment model: chooses how to weight n-grams by cross-validation, calibrates, and measures on held-out folds.

scikit-learn is imported by the functions that use it: every worker imports this module, and most never train.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import sparse

from config.foundation.array_types import Flags, Floats, Ints
from customers.feedback.sentiment.features import count_ngrams
from customers.feedback.sentiment.languages import Language
from customers.feedback.sentiment.model import LinearWeights, Quality, TextSentimentModel, calibrate_scores

MIN_TEXTS, MIN_PER_CLASS = 200, 30
MAX_TEXTS = 60_000  # more cost minutes and change little
MAX_CHOICE_TEXTS = 15_000  # on which the recipe is chosen
MAX_COLUMNS = 300_000
FOLDS = 5


class TooFewTextsError(Exception):
    """There are too few rated texts, or too few of one class, to learn from."""

    def __init__(self, positive: int, negative: int) -> None:
        self.positive, self.negative = positive, negative
        super().__init__(
            f"{positive} positive and {negative} negative texts; at least {MIN_TEXTS} in total and {MIN_PER_CLASS} of each are needed."
        )


@dataclass(frozen=True)
class Recipe:
    """How n-grams are weighted, and the linear model on them with an L2 penalty of 1 / 2C.

    weighting: "tfidf", ln((1+n)/(1+df)) + 1 with rows of length 1, or "naive_bayes", the log ratio of an n-gram's share among
    positive and negative texts (NB-SVM; Wang & Manning, ACL 2012). loss: "logistic" or "squared_hinge" (a support vector machine).
    min_texts: in how many texts an n-gram must occur.
    """

    weighting: str
    loss: str
    strength: float
    min_texts: int = 2


# Members of the model; the strength of each is chosen from its row.
FAMILIES = tuple(
    tuple(Recipe(weighting, loss, strength) for strength in strengths)
    for weighting, loss, strengths in (
        ("tfidf", "squared_hinge", (0.1, 0.3, 1.0)),
        ("naive_bayes", "logistic", (0.03, 0.1, 0.3)),
    )
)


@dataclass(frozen=True, eq=False)
class TrainedSentiment:
    """A model, and the held-out probability of each training text: NaN for texts left out."""

    model: TextSentimentModel
    held_out: Floats


def train_sentiment(texts: Sequence[str], is_positive: Flags, language: Language, *, seed: int = 0) -> TrainedSentiment:
    """Train on texts with a label each, shape (n,).

    The recipe with the lowest log loss over five folds is chosen from each family. The weights of the members, the calibration and the
    quality come from the scores of the folds that each text was held out of (stacking; Wolpert 1992).

    Raises:
        TooFewTextsError: fewer than 200 texts, or than 30 of a class.
    """
    labels = np.asarray(is_positive, np.bool_)
    positive = int(labels.sum())
    if len(labels) < MIN_TEXTS or min(positive, len(labels) - positive) < MIN_PER_CLASS:
        raise TooFewTextsError(positive, len(labels) - positive)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(labels))[:MAX_TEXTS])
    counts, used = count_ngrams([texts[row] for row in rows], language), labels[rows]
    few = np.sort(rng.permutation(len(rows))[:MAX_CHOICE_TEXTS])
    recipes = [choose_recipe(family, counts[few], used[few], seed=seed) for family in FAMILIES]
    scores = np.stack([score_held_out(counts, used, recipe, seed=seed) for recipe in recipes], axis=1)
    slopes, offset = fit_calibration(scores, used)
    probabilities = calibrate_scores(scores, slopes, offset)
    held_out = np.full(len(labels), np.nan)
    held_out[rows] = probabilities
    model = TextSentimentModel(
        language=language,
        members=tuple(fit_weights(counts, used, recipe) for recipe in recipes),
        slopes=slopes,
        offset=offset,
        recipes=tuple(asdict(recipe) for recipe in recipes),
        quality=measure_quality(probabilities, used),
    )
    return TrainedSentiment(model, held_out)


def choose_recipe(family: Sequence[Recipe], counts: sparse.csr_matrix, labels: Flags, *, seed: int) -> Recipe:
    """Return the recipe with the lowest log loss of calibrated held-out scores."""

    def measure(recipe: Recipe) -> float:
        scores = score_held_out(counts, labels, recipe, seed=seed)[:, None]
        probability = calibrate_scores(scores, *fit_calibration(scores, labels))
        return float(-np.mean(np.log(np.where(labels, probability, 1 - probability))))

    return min(family, key=measure)


def score_held_out(counts: sparse.csr_matrix, labels: Flags, recipe: Recipe, *, seed: int) -> Floats:
    """Return the score of each text by a model that was fitted without its fold; 0 for texts without a known n-gram."""
    from sklearn.model_selection import StratifiedKFold

    scores = np.zeros(len(labels))
    for training, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels):
        scores[test] = np.nan_to_num(fit_weights(counts[training], labels[training], recipe).score(counts[test]))
    return scores


def fit_weights(counts: sparse.csr_matrix, labels: Flags, recipe: Recipe) -> LinearWeights:
    """Fit the coefficients of the n-grams that enough texts have, the most frequent ones first."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    columns = choose_columns(counts, recipe.min_texts)
    matrix = sparse.csr_matrix(counts[:, columns])
    is_normalized = recipe.weighting == "tfidf"
    scale = weight_by_rarity(matrix) if is_normalized else weight_by_class(matrix, labels)
    scaled = sparse.csr_matrix(matrix @ sparse.diags_array(scale))
    if is_normalized:
        norm = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
        scaled = sparse.diags_array(1 / np.maximum(norm, 1e-12)) @ scaled
    classifier = (
        LinearSVC(C=recipe.strength, random_state=0)
        if recipe.loss == "squared_hinge"
        else LogisticRegression(C=recipe.strength, solver="liblinear", random_state=0)
    ).fit(scaled, labels)
    return LinearWeights(
        columns.astype(np.int32), scale, classifier.coef_[0], float(classifier.intercept_[0]), is_normalized
    )


def choose_columns(counts: sparse.csr_matrix, min_texts: int) -> Ints:
    """Return the columns that at least ``min_texts`` texts have, ascending; without any, all that occur."""
    texts = np.bincount(counts.indices, minlength=counts.shape[1])
    columns = np.flatnonzero(texts >= min_texts)
    if not len(columns):
        columns = np.flatnonzero(texts)
    if len(columns) > MAX_COLUMNS:
        columns = np.sort(columns[np.argsort(-texts[columns], kind="stable")[:MAX_COLUMNS]])
    return columns


def weight_by_rarity(matrix: sparse.csr_matrix) -> Floats:
    """Return ln((1+n) / (1+texts with the n-gram)) + 1 of each column."""
    texts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.log((1 + matrix.shape[0]) / (1 + texts)) + 1


def weight_by_class(matrix: sparse.csr_matrix, labels: Flags) -> Floats:
    """Return ln(p/q) of each column: its shares of the n-grams of positive and of negative texts, each count plus 1."""
    positive = np.bincount(matrix[labels].indices, minlength=matrix.shape[1]) + 1.0
    negative = np.bincount(matrix[~labels].indices, minlength=matrix.shape[1]) + 1.0
    return np.log(positive / positive.sum()) - np.log(negative / negative.sum())


def fit_calibration(scores: Floats, labels: Flags) -> tuple[Floats, float]:
    """Return slopes and offset of the logistic curve that turns scores, shape (n, members), to probabilities (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    spread = np.maximum(scores.std(axis=0), 1e-9)
    regression = LogisticRegression(C=10.0).fit(scores / spread, labels)
    return regression.coef_[0] / spread, float(regression.intercept_[0])


def measure_quality(probabilities: Floats, labels: Flags) -> Quality:
    from sklearn.metrics import brier_score_loss, f1_score

    predicted, share = probabilities > 0.5, float(labels.mean())
    return Quality(
        texts=len(labels),
        positive_share=share,
        accuracy=float((predicted == labels).mean()),
        f1=float(f1_score(labels, predicted, zero_division=0)),
        brier=float(brier_score_loss(labels, probabilities)),
        baseline=max(share, 1 - share),
    )
