"""A linear sentiment model of one language: scores, calibrated probabilities, and its storage as arrays and plain values."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from config.foundation.array_types import Floats
from customers.feedback.sentiment.features import COLUMNS, count_ngrams
from customers.feedback.sentiment.languages import Language

BATCH_SIZE = 20_000  # texts that are held as a matrix at once


@dataclass(frozen=True, eq=False)
class LinearWeights:
    """Score = Σ scale·coefficient·count ÷ norm + intercept, over the n-grams that the model knows.

    Attributes:
        columns: of these n-grams, ascending, int32. scale, coefficients: float32, one each.
        is_normalized: whether the norm is that of the scaled counts of a text; otherwise it is 1.
    """

    columns: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    is_normalized: bool

    def score(self, counts: sparse.csr_matrix) -> Floats:
        """Return the score of each text, shape (n,); NaN for texts without a known n-gram."""
        position = np.searchsorted(self.columns, counts.indices)
        position = np.minimum(position, len(self.columns) - 1)
        is_known = self.columns[position] == counts.indices
        scaled = np.where(is_known, counts.data * self.scale[position], 0.0)
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        total = np.bincount(rows, scaled * self.coefficients[position], counts.shape[0])
        if self.is_normalized:
            total /= np.sqrt(np.maximum(np.bincount(rows, scaled * scaled, counts.shape[0]), 1e-12))
        known = np.bincount(rows, is_known, counts.shape[0])
        return np.where(known > 0, total + self.intercept, np.nan)


@dataclass(frozen=True)
class Quality:
    """How good the model is on texts that it was not fitted to.

    Attributes:
        texts: with a positive or negative label. accuracy, f1, brier: of calibrated probabilities; f1 of the positive class.
        baseline: the accuracy of always predicting the more frequent class.
    """

    texts: int
    positive_share: float
    accuracy: float
    f1: float
    brier: float
    baseline: float


@dataclass(frozen=True, eq=False)
class TextSentimentModel:
    """Predicts the probability that a text is positive: 1 / (1 + e^−(Σ slopeₘ·scoreₘ + offset)) over the members m.

    Platt's calibration (1999), which also weights the members.
    """

    language: Language
    members: tuple[LinearWeights, ...]
    slopes: Floats
    offset: float
    recipes: tuple[Mapping[str, Any], ...]
    quality: Quality

    def predict(self, texts: Sequence[str]) -> Floats:
        """Return the probability that each text is positive, shape (n,); NaN for texts without a known word or character."""
        parts = [
            self._predict_counts(count_ngrams(texts[start : start + BATCH_SIZE], self.language))
            for start in range(0, len(texts), BATCH_SIZE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _predict_counts(self, counts: sparse.csr_matrix) -> Floats:
        scores = np.stack([member.score(counts) for member in self.members], axis=1)
        return calibrate_scores(scores, self.slopes, self.offset)


def calibrate_scores(scores: Floats, slopes: Floats, offset: float) -> Floats:
    """Return the probabilities of scores of shape (n, members)."""
    return 1 / (1 + np.exp(-np.clip(scores @ slopes + offset, -30, 30)))


def serialize_model(model: TextSentimentModel) -> tuple[bytes, dict[str, Any]]:
    """Return a model as a compressed npz and values for JSON; loading them runs no code, unlike a pickle."""
    arrays = {}
    for position, member in enumerate(model.members):
        arrays[f"columns_{position}"] = member.columns.astype(np.int32)
        arrays[f"scale_{position}"] = member.scale.astype(np.float32)
        arrays[f"coefficients_{position}"] = member.coefficients.astype(np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    values = {
        "language": model.language.value,
        "members": [
            {"intercept": member.intercept, "is_normalized": member.is_normalized, "recipe": dict(recipe)}
            for member, recipe in zip(model.members, model.recipes, strict=True)
        ],
        "slopes": model.slopes.tolist(),
        "offset": model.offset,
        "quality": asdict(model.quality),
    }
    return buffer.getvalue(), values


def deserialize_model(data: bytes, values: Mapping[str, Any]) -> TextSentimentModel:
    """Return the model. Errors: ValueError for arrays that do not fit together, KeyError for missing ones."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    members = tuple(
        LinearWeights(
            columns=arrays[f"columns_{position}"],
            scale=arrays[f"scale_{position}"],
            coefficients=arrays[f"coefficients_{position}"],
            intercept=float(member["intercept"]),
            is_normalized=bool(member["is_normalized"]),
        )
        for position, member in enumerate(values["members"])
    )
    for member in members:
        check_arrays(member)
    return TextSentimentModel(
        language=Language(values["language"]),
        members=members,
        slopes=np.array(values["slopes"], np.float64),
        offset=float(values["offset"]),
        recipes=tuple(member["recipe"] for member in values["members"]),
        quality=Quality(**values["quality"]),
    )


def check_arrays(weights: LinearWeights) -> None:
    """Raise ValueError unless the arrays have one length and the columns are in ascending order."""
    columns = weights.columns
    shapes = {columns.shape, weights.scale.shape, weights.coefficients.shape}
    if len(shapes) > 1 or columns.ndim != 1 or not len(columns):
        raise ValueError(f"the arrays of a sentiment model have the shapes {shapes}")
    if np.any(np.diff(columns) <= 0) or columns[0] < 0 or columns[-1] >= COLUMNS:
        raise ValueError("the columns of a sentiment model are not in ascending order")
