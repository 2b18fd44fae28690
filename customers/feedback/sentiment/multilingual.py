"""Trains and applies one sentiment model per language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats
from customers.feedback.sentiment.languages import Language, detect_language
from customers.feedback.sentiment.model import TextSentimentModel
from customers.feedback.sentiment.training import TooFewTextsError, train_sentiment


@dataclass(frozen=True, eq=False)
class LanguageTraining:
    """The models that could be trained.

    Attributes:
        missing: why a language has none. held_out: the probability of each text by a model that has not seen it; NaN without one.
    """

    models: Mapping[Language, TextSentimentModel]
    missing: Mapping[Language, TooFewTextsError]
    held_out: Floats


def group_by_language(texts: Sequence[str]) -> dict[Language, np.ndarray]:
    """Return the positions of the texts of each language."""
    languages = np.array([detect_language(text) or "" for text in texts], object)
    return {language: np.flatnonzero(languages == language) for language in Language}


def train_languages(texts: Sequence[str], is_positive: Flags, *, seed: int = 0) -> LanguageTraining:
    """Train a model for each language that has enough texts; shape of ``is_positive`` (n,)."""
    models: dict[Language, TextSentimentModel] = {}
    missing: dict[Language, TooFewTextsError] = {}
    held_out = np.full(len(texts), np.nan)
    for language, rows in group_by_language(texts).items():
        if not len(rows):
            continue
        try:
            trained = train_sentiment([texts[row] for row in rows], np.asarray(is_positive)[rows], language, seed=seed)
        except TooFewTextsError as error:
            missing[language] = error
            continue
        models[language] = trained.model
        held_out[rows] = trained.held_out
    return LanguageTraining(models, missing, held_out)


def predict_positive(models: Mapping[Language, TextSentimentModel], texts: Sequence[str]) -> Floats:
    """Return the probability that each text is positive, shape (n,); NaN if no model knows its language or any of its words."""
    probabilities = np.full(len(texts), np.nan)
    for language, rows in group_by_language(texts).items():
        if len(rows) and language in models:
            probabilities[rows] = models[language].predict([texts[row] for row in rows])
    return probabilities
