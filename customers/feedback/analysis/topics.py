"""What reviews are about: the phrases that distinguish bad ones, good ones, a product's or a category's."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Q

from config.foundation.backoffice.date_range import DayRange
from customers.feedback.models import Review
from customers.feedback.phrases.extraction import extract_phrases
from customers.feedback.phrases.log_odds import DistinctivePhrase, rank_phrases
from customers.feedback.sentiment.languages import Language, detect_language

MAX_REVIEWS = 10_000  # the latest ones of a period


@dataclass
class PhraseGroup:
    """In how many texts each phrase occurs, per language."""

    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {language.value: Counter() for language in Language}
    )

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            language = detect_language(text)
            if language is not None:
                self.counts[language.value].update(extract_phrases(text, language))


def list_texts(period: DayRange, condition: Q | None = None) -> list[str]:
    """Return the texts of the latest reviews of a period."""
    reviews = Review.objects.filter(condition or Q(), written_at__gte=period.start, written_at__lt=period.end)
    rows = reviews.exclude(title="", body="").order_by("-written_at", "-id").values_list("title", "body")
    return [f"{title}\n{body}" for title, body in rows[:MAX_REVIEWS]]


def count_phrases(period: DayRange, condition: Q | None = None) -> Mapping[str, Counter[str]]:
    """Return in how many reviews of a period each phrase occurs, per language."""
    group = PhraseGroup()
    group.add(list_texts(period, condition))
    return group.counts


def find_phrases(group: PhraseGroup, everything: Mapping[str, Counter[str]], *, limit: int) -> list[DistinctivePhrase]:
    """Return the phrases that distinguish a group from everything, of both languages, the most distinctive first."""
    phrases = [
        phrase
        for language, counts in group.counts.items()
        # the latest reviews may leave some of the group out of everything
        for phrase in rank_phrases(counts, everything[language] | counts, limit=limit)
    ]
    return sorted(phrases, key=lambda phrase: -phrase.z)[:limit]


def list_topics(period: DayRange, condition: Q, *, limit: int = 8) -> list[DistinctivePhrase]:
    """Return the phrases that distinguish the reviews with a condition, such as 1–2★, from all of a period."""
    group = PhraseGroup()
    group.add(list_texts(period, condition))
    return find_phrases(group, count_phrases(period), limit=limit)
