"""The queries that led several people to products: evidence for corrections, and completions of what others type."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Max

from recommendations.engine.text_search.tokens import iterate_runs, normalize, split_into_words
from recommendations.serving.search.models import ShopQuery

type QueryFingerprint = tuple[int, datetime | None]
OUT_OF_CONTEXT = 0.05  # weight of people whose query shares no other word with the present one


@dataclass(frozen=True, eq=False)
class ShopQueries:
    """Queries in the order of their text, with the number of people of each; empty in a new shop."""

    fingerprint: QueryFingerprint = (0, None)
    people: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.people)

    @cached_property
    def texts(self) -> list[str]:
        return sorted(self.people)

    @cached_property
    def by_word(self) -> dict[str, list[tuple[frozenset[str], int]]]:
        """Return for each word the queries with it, as words and people."""
        entries: dict[str, list[tuple[frozenset[str], int]]] = {}
        for text, people in self.people.items():
            words = frozenset(split_query(text))
            for word in words:
                entries.setdefault(word, []).append((words, people))
        return entries

    def count_people(self, word: str, others: frozenset[str] = frozenset()) -> float:
        """Return how many people searched a word; those who searched it without any of the other words count little."""
        return sum(
            people if not others or not words.isdisjoint(others) else OUT_OF_CONTEXT * people
            for words, people in self.by_word.get(word, ())
        )

    def complete(self, prefix: str, *, n: int) -> list[str]:
        """Return the n queries of the most people that begin with a normalized text and are longer than it."""
        if not prefix:
            return []
        first = bisect_left(self.texts, prefix)
        last = bisect_left(self.texts, prefix + "\U0010ffff", lo=first)
        longer = (text for text in self.texts[first:last] if text != prefix)
        return sorted(longer, key=lambda text: (-self.people[text], text))[:n]


def split_query(text: str) -> list[str]:
    """Return the words of a query in the form of the index; unspaced runs as a whole."""
    return [
        word
        for run in iterate_runs(normalize(text))
        for word in ([run.text] if run.is_unspaced else split_into_words(run.text))
    ]


def read_query_fingerprint() -> QueryFingerprint:
    """Return a value that changes whenever the queries are learned again; one query."""
    totals = ShopQuery.objects.aggregate(count=Count("id"), newest=Max("learned_at"))
    return totals["count"], totals["newest"]


def load_shop_queries() -> ShopQueries:
    """Return all queries of the database."""
    fingerprint = read_query_fingerprint()
    return ShopQueries(fingerprint, dict(ShopQuery.objects.order_by("id").values_list("text", "people")))
