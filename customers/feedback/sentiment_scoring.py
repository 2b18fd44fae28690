"""Learns sentiment from rated reviews, and writes the sentiment of reviews; both in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.db import connection, transaction
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import MD5, Concat

from config.foundation.array_types import Floats
from config.foundation.database.advisory_locks import exclusive_lock
from customers.feedback.models import Review, SentimentModel
from customers.feedback.sentiment.labeled_files import read_labeled_texts
from customers.feedback.sentiment.languages import Language
from customers.feedback.sentiment.model import TextSentimentModel, deserialize_model, serialize_model
from customers.feedback.sentiment.multilingual import (
    LanguageTraining,
    group_by_language,
    predict_positive,
    train_languages,
)
from customers.feedback.sentiment.training import MIN_TEXTS

MAX_TRAINING_REVIEWS = 100_000  # the latest ones
BATCH_SIZE = 5_000
RETRAIN_GROWTH = 1.2  # a model is trained again when there are this many times as many texts
RETRAIN_AFTER = timedelta(days=1)
CONTRADICTION = 0.8  # sentiment beyond which a text contradicts its stars: a probability of 90 %
ORIGIN = SentimentModel.Origin

WRITE_SENTIMENTS = """
-- a text that was changed while it was scored keeps waiting for its own sentiment
UPDATE feedback_review r
SET sentiment = s.sentiment, scored_at = %(at)s,
    contradicts = COALESCE(r.rating >= 4 AND s.sentiment <= %(low)s OR r.rating <= 2 AND s.sentiment >= %(high)s, false)
FROM (
    SELECT * FROM unnest(%(ids)s::bigint[], %(hashes)s::text[], %(sentiments)s::float8[]) AS s (id, text_hash, sentiment) ORDER BY id
) s
WHERE r.id = s.id AND md5(r.title || chr(10) || r.body) = s.text_hash
"""


TEXT_HASH = MD5(Concat("title", Value("\n"), "body", output_field=TextField()))


@dataclass(frozen=True)
class ReviewText:
    """A review as it was read. text_hash: of its title and body, which may change before its sentiment is written."""

    id: int
    rating: int
    text: str
    text_hash: str


@dataclass(frozen=True)
class ScoringResult:
    """What a run did. trained: languages whose model was trained."""

    trained: tuple[str, ...]
    scored: int


def refresh_sentiment(*, now: datetime) -> ScoringResult:
    """Train models that have enough new reviews, and score the reviews that have no sentiment of the present models."""
    with exclusive_lock("feedback.sentiment"):
        trained = train_own_models(now=now) if is_training_due(now=now) else ()
        return ScoringResult(trained, score_reviews(now=now))


def query_rated() -> QuerySet[Review]:
    """Return the reviews with a clear rating and a text."""
    return Review.objects.exclude(rating=3).exclude(title="", body="")


def read_texts(reviews: QuerySet[Review], *, limit: int) -> list[ReviewText]:
    """Return the first reviews with their texts."""
    rows = reviews.values_list("id", "rating", "title", "body", TEXT_HASH)[:limit]
    return [ReviewText(pk, rating, join_text(title, body), text_hash) for pk, rating, title, body, text_hash in rows]


def is_training_due(*, now: datetime) -> bool:
    """Return whether there are enough more rated reviews than when the models were trained."""
    count = query_rated().count()
    own = SentimentModel.objects.filter(origin=ORIGIN.REVIEWS).order_by("trained_at")
    models = list(own.values_list("trained_at", "texts", "parameters__reviews"))
    if not models:
        return count >= MIN_TEXTS
    trained_at, _texts, reviews = models[-1]
    if reviews is None:  # trained by a release that counted only the texts of languages with a model
        reviews = sum(texts for _at, texts, _reviews in models)
    return bool(trained_at <= now - RETRAIN_AFTER and count >= RETRAIN_GROWTH * reviews)


def train_own_models(*, now: datetime) -> tuple[str, ...]:
    """Train on the shop's reviews and store the models; return their languages.

    Reviews that a used model was trained on get their sentiment from the fold that left them out, since the model has seen their stars.
    """
    n_rated = query_rated().count()
    rows = read_texts(query_rated().order_by("-written_at", "-id"), limit=MAX_TRAINING_REVIEWS)
    texts, labels = [row.text for row in rows], np.array([row.rating >= 4 for row in rows], np.bool_)
    training = train_languages(texts, labels)
    if not training.models:
        return ()  # the sentiment of the start models stays
    start_models = load_models(Q(origin=ORIGIN.FILE))
    with transaction.atomic():
        for language, model in training.models.items():
            own = group_by_language(texts)[language]
            start = start_models.get(language)
            is_better = start is None or model.quality.brier <= measure_brier(
                start, [texts[row] for row in own], labels[own]
            )
            store_model(model, ORIGIN.REVIEWS, now=now, is_used=is_better, reviews=n_rated)
        Review.objects.exclude(scored_at=None).update(scored_at=None)
        write_held_out(training, rows, now=now)
    return tuple(language.value for language in training.models)


def measure_brier(model: TextSentimentModel, texts: Sequence[str], labels: np.ndarray) -> float:
    """Return the mean squared error of a model's probabilities; texts that it cannot score count as 0.5."""
    return float(np.mean((np.nan_to_num(model.predict(texts), nan=0.5) - labels) ** 2))


def write_held_out(training: LanguageTraining, reviews: Sequence[ReviewText], *, now: datetime) -> None:
    used = set(SentimentModel.objects.filter(origin=ORIGIN.REVIEWS, is_used=True).values_list("language", flat=True))
    for language, rows in group_by_language([review.text for review in reviews]).items():
        if language.value in used and language in training.models:
            known = rows[~np.isnan(training.held_out[rows])]
            write_sentiments([reviews[row] for row in known], training.held_out[known], now=now)


def store_model(
    model: TextSentimentModel, origin: str, *, now: datetime, is_used: bool, reviews: int | None = None
) -> None:
    """Replace the model of this language and origin. reviews: how many rated ones there were in all languages."""
    content, parameters = serialize_model(model)
    if reviews is not None:
        parameters["reviews"] = reviews
    if is_used:
        SentimentModel.objects.filter(language=model.language.value).update(is_used=False)
    SentimentModel.objects.update_or_create(
        language=model.language.value,
        origin=origin,
        defaults={
            "trained_at": now,
            "texts": model.quality.texts,
            "content": content,
            "parameters": parameters,
            "is_used": is_used,
        },
    )


def train_start_models(paths: Sequence[Path], *, now: datetime) -> LanguageTraining:
    """Train the models of a shop without enough reviews from labeled files, and score the reviews again.

    A language whose own model is in use keeps it.

    Raises:
        LabeledFileError: a file cannot be used.
        AlreadyRunningError: reviews are being scored.
    """
    texts: list[str] = []
    labels: list[bool] = []
    for path in paths:
        labeled = read_labeled_texts(path)
        texts += labeled.texts
        labels += labeled.is_positive
    with exclusive_lock("feedback.sentiment"):
        training = train_languages(texts, np.array(labels, np.bool_))
        own = set(SentimentModel.objects.filter(origin=ORIGIN.REVIEWS).values_list("language", flat=True))
        with transaction.atomic():
            for language, model in training.models.items():
                store_model(model, ORIGIN.FILE, now=now, is_used=language.value not in own)
            Review.objects.exclude(scored_at=None).filter(sentiment=None).update(scored_at=None)
        score_reviews(now=now)
    return training


def score_reviews(*, now: datetime) -> int:
    """Write the sentiment of reviews that have not been scored; return their number. Without a model, none are scored."""
    models = load_models(Q(is_used=True))
    if not models:
        return 0
    scored = 0
    while True:
        reviews = read_texts(Review.objects.filter(scored_at=None).order_by("id"), limit=BATCH_SIZE)
        if not reviews:
            return scored
        probabilities = predict_positive(models, [review.text for review in reviews])
        scored += write_sentiments(reviews, probabilities, now=now)


def write_sentiments(reviews: Sequence[ReviewText], probabilities: Floats, *, now: datetime) -> int:
    """Write 2p − 1 as the sentiment of each review whose text is unchanged, nothing where the probability is NaN; return their number."""
    sentiments = [None if np.isnan(probability) else float(2 * probability - 1) for probability in probabilities]
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE_SENTIMENTS,
            {
                "ids": [review.id for review in reviews],
                "hashes": [review.text_hash for review in reviews],
                "sentiments": sentiments,
                "at": now,
                "low": -CONTRADICTION,
                "high": CONTRADICTION,
            },
        )
        return int(cursor.rowcount)


def load_models(condition: Q) -> Mapping[Language, TextSentimentModel]:
    """Return the models of each language; a model that this process has loaded before is not read again."""
    keys = SentimentModel.objects.filter(condition).values_list("pk", "trained_at", "language")
    return {Language(language): load_model(pk, trained_at) for pk, trained_at, language in keys}


@lru_cache(maxsize=8)
def load_model(pk: int, trained_at: datetime) -> TextSentimentModel:
    """Return a stored model. trained_at: its version, part of the cache's key."""
    stored = SentimentModel.objects.get(pk=pk)
    return deserialize_model(bytes(stored.content), stored.parameters)


def join_text(title: str, body: str) -> str:
    return f"{title}\n{body}".strip()
