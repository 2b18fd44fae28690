"""Search suggestions: corrected or completed queries, matching categories, and popular products if nothing matches."""

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
    """kind: query, category or product; text: to show; value: to send as q, category or product_ids."""

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
    whole = normalize(query)
    last = list(iterate_runs(whole))[-1]
    longer = snapshot.texts.index.complete(matches.prefixes[-1], n=MAX_PER_TYPE)
    return [f"{whole[: last.start]}{word}" for word in longer]


def suggest_categories(snapshot: SearchSnapshot, query: str, matches: Matches) -> list[str]:
    """Return category paths whose last name contains a query word, best match first."""
    levels = snapshot.levels
    hits = Counter(place for term in {*matches.words, *split_into_terms(query)} for place in levels.named.get(term, ()))
    ranked = sorted(hits, key=lambda place: (-hits[place], len(levels.paths[place].rpartition(" > ")[2]), place))
    return [levels.paths[place] for place in ranked[:MAX_PER_TYPE]]
