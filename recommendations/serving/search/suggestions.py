"""Search suggestions: corrected or completed queries, categories and popular products."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from config.foundation.array_types import Flags
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
    shown: Flags,
    total: int,
    popular: Sequence[HasRow],
) -> list[SearchSuggestion]:
    """Return the suggestions of one search; request: with the query as it was understood; shown: the rows that may be shown at all."""
    if matches is None:
        return []
    suggestions = [SearchSuggestion("query", text, text) for text in suggest_queries(snapshot, request, matches, shown)]
    if total < MIN_PRODUCTS:
        suggestions += [
            SearchSuggestion("category", path, path) for path in suggest_categories(snapshot, request, matches, shown)
        ]
    for hit in popular[:MAX_PER_TYPE]:
        if (card := snapshot.catalog.cards[hit.row]) is not None:
            suggestions.append(SearchSuggestion("product", card.title, card.product_id))
    return suggestions


def suggest_queries(snapshot: SearchSnapshot, request: SearchRequest, matches: Matches, shown: Flags) -> list[str]:
    """Return the corrected query, or else the query with its last word completed."""
    if matches.corrected:
        return [matches.corrected]
    if not matches.prefixes:
        return []
    return complete_query(request.q, snapshot, request.language, shown, n=MAX_PER_TYPE)


def complete_query(
    query: str, snapshot: SearchSnapshot, language: str, shown: Flags, *, n: int, among: Flags | None = None
) -> list[str]:
    """Return the query with its last word completed, so that shown products match all words; among: only these of them."""
    normalized = normalize(query)
    runs = list(iterate_runs(normalized))
    if not runs or runs[-1].is_unspaced or runs[-1].end != len(normalized):
        return []
    head = normalized[: runs[-1].start]
    index = snapshot.get_index(shown)
    if len(runs) == 1 and among is None:
        return [f"{head}{word}" for word in index.complete(runs[-1].text, n=n)]
    if len(runs) > 1:
        matches = snapshot.score_query(f"{head.rstrip()} ", language, None, visible=shown).find_matches(
            shown if among is None else among
        )
        among = np.zeros(len(shown), np.bool_)
        among[matches.rows[matches.n_covered == matches.n_required]] = True
    completions = index.count_completions(runs[-1].text, among=among)
    typed = {run.text for run in runs[:-1]}
    return [f"{head}{word}" for _count, word in completions if word not in typed][:n]


def suggest_categories(snapshot: SearchSnapshot, request: SearchRequest, matches: Matches, shown: Flags) -> list[str]:
    """Return paths of categories with shown products whose last name contains a query word, or all words of a synonym, best match first."""
    levels = snapshot.levels
    text = matches.corrected or request.q
    parsed = parse_text_query(
        text, snapshot.synonyms.get_for_language(request.language), snapshot.get_index(shown).count_documents
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

    has_products = snapshot.find_visible_categories(shown) if hits else ()
    ranked = sorted((category for category in hits if has_products[category]), key=compute_sort_key)
    return [levels.paths[category] for category in ranked[:MAX_PER_TYPE]]
