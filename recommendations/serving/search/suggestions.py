"""Search suggestions: corrected or completed queries, categories and popular products."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from recommendations.engine.text_search import Matches
from recommendations.engine.text_search.synonyms import split_into_terms
from recommendations.engine.text_search.tokens import iterate_runs, normalize
from recommendations.serving.search.snapshot import SearchSnapshot

MIN_PRODUCTS = 5  # with fewer matches, categories and products are suggested too
MAX_PER_TYPE = 5


class HasRow(Protocol):
    @property
    def row(self) -> int: ...


@dataclass(frozen=True)
class SearchSuggestion:
    """kind: query, category or product; text: to show.

    value: to send as q, category or product_ids.
    """

    kind: str
    text: str
    value: str


def build_suggestions(
    *, snapshot: SearchSnapshot, query: str, matches: Matches | None, total: int, popular: Sequence[HasRow]
) -> list[SearchSuggestion]:
    """Return the suggestions of one search."""
    if matches is None:
        return []
    suggestions = [SearchSuggestion("query", text, text) for text in suggest_queries(snapshot, query, matches)]
    if total < MIN_PRODUCTS:
        suggestions += [
            SearchSuggestion("category", path, path) for path in suggest_categories(snapshot, query, matches)
        ]
    for hit in popular[:MAX_PER_TYPE]:
        if (card := snapshot.catalog.cards[hit.row]) is not None:
            suggestions.append(SearchSuggestion("product", card.title, card.product_id))
    return suggestions


def suggest_queries(snapshot: SearchSnapshot, query: str, matches: Matches) -> list[str]:
    """Return the corrected query, or else the query with its last word completed."""
    if matches.corrected:
        return [matches.corrected]
    if not matches.prefixes:
        return []
    normalized = normalize(query)
    last_run = list(iterate_runs(normalized))[-1]
    completions = snapshot.texts.index.complete(matches.prefixes[-1], n=MAX_PER_TYPE)
    return [f"{normalized[: last_run.start]}{word}" for word in completions]


def suggest_categories(snapshot: SearchSnapshot, query: str, matches: Matches) -> list[str]:
    """Return category paths whose last name contains a query word, best match first."""
    levels = snapshot.levels
    terms = {*matches.words, *split_into_terms(query)}
    hits = Counter(category for term in terms for category in levels.by_term.get(term, ()))

    def compute_sort_key(category: int) -> tuple[int, int, int]:
        """Most hits first, then the shortest name."""
        return -hits[category], len(levels.paths[category].rpartition(" > ")[2]), category

    ranked = sorted(hits, key=compute_sort_key)
    return [levels.paths[category] for category in ranked[:MAX_PER_TYPE]]
