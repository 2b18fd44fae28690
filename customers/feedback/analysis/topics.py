"""What reviews are about: the phrases that distinguish bad ones, good ones, a product's or a category's."""

from collections import Counter
from collections.abc import Iterable, Mapping

from django.db.models import Q

from config.foundation.backoffice.date_range import DayRange
from customers.feedback.models import Review
from customers.feedback.phrases.extraction import extract_phrases
from customers.feedback.phrases.log_odds import DistinctivePhrase, rank_phrases
from customers.feedback.sentiment.languages import Language, detect_language

MAX_REVIEWS = 10_000  # the latest ones of a period


def list_texts(period: DayRange, condition: Q | None = None) -> list[str]:
    """Return the texts of the latest reviews of a period."""
    reviews = Review.objects.filter(condition or Q(), written_at__gte=period.start, written_at__lt=period.end)
    rows = reviews.exclude(title="", body="").order_by("-written_at", "-id").values_list("title", "body")
    return [f"{title}\n{body}" for title, body in rows[:MAX_REVIEWS]]


def count_phrases(period: DayRange) -> Mapping[str, Counter[str]]:
    """Return in how many reviews of a period each phrase occurs, per language."""
    return {
        language.value: Counter(phrase for text in texts for phrase in extract_phrases(text, language))
        for language, texts in split_languages(list_texts(period)).items()
    }


def split_languages(texts: Iterable[str]) -> dict[Language, list[str]]:
    groups: dict[Language, list[str]] = {language: [] for language in Language}
    for text in texts:
        language = detect_language(text)
        if language is not None:
            groups[language].append(text)
    return groups


def find_phrases(
    texts: Iterable[str], everything: Mapping[str, Counter[str]], *, limit: int
) -> list[DistinctivePhrase]:
    """Return the phrases that distinguish texts from everything, of both languages, the most distinctive first."""
    phrases = [
        phrase
        for language, group in split_languages(texts).items()
        # everything has the latest reviews only, so a group may have phrases that it lacks
        for phrase in rank_phrases(group, language, everything[language], limit=limit)
    ]
    return sorted(phrases, key=lambda phrase: -phrase.z)[:limit]


def list_topics(
    period: DayRange, condition: Q, everything: Mapping[str, Counter[str]], *, limit: int = 8
) -> list[DistinctivePhrase]:
    """Return the phrases that distinguish the reviews with a condition, such as 1–2★, from all of a period."""
    return find_phrases(list_texts(period, condition), everything, limit=limit)
