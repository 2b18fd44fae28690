"""Search suggestions: corrected or completed queries, categories and popular products."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from recommendations.engine.text_search import Matches
from recommendations.engine.text_search.query import parse_text_query
from recommendations.engine.text_search.synonyms import split_into_terms
from recommendations.engine.text_search.tokens import iterate_runs, normalize
from recommendations.serving.search.request import SearchRequest
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
    request: SearchRequest,
    *,
    snapshot: SearchSnapshot,
    matches: Matches | None,
    total: int,
    popular: Sequence[HasRow],
) -> list[SearchSuggestion]:
    """Return the suggestions of one search; request: with the query as it was understood."""
    if matches is None:
        return []
    suggestions = [SearchSuggestion("query", text, text) for text in suggest_queries(snapshot, request.q, matches)]
    if total < MIN_PRODUCTS:
        suggestions += [
            SearchSuggestion("category", path, path) for path in suggest_categories(snapshot, request, matches)
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


def suggest_categories(snapshot: SearchSnapshot, request: SearchRequest, matches: Matches) -> list[str]:
    """Return category paths whose last name contains a query word, or all words of a synonym, best match first."""
    levels = snapshot.levels
    text = matches.corrected or request.q
    parsed = parse_text_query(
        text, snapshot.synonyms.get_for_language(request.language), snapshot.texts.index.count_documents
    )
    names: set[tuple[str, ...]] = {(term,) for term in (*split_into_terms(request.q), *split_into_terms(text))}
    names |= {alternative.terms for unit in parsed.units for alternative in unit.alternatives}
    hits = Counter(
        category
        for terms in names
        for category in set.intersection(*(set(levels.by_term.get(term, ())) for term in terms))
    )

    def compute_sort_key(category: int) -> tuple[int, int, int]:
        """Most hits first, then the shortest name."""
        return -hits[category], len(levels.paths[category].rpartition(" > ")[2]), category

    ranked = sorted(hits, key=compute_sort_key)
    return [levels.paths[category] for category in ranked[:MAX_PER_TYPE]]
