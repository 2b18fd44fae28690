"""Autocomplete: queries, categories and products for a query that is still being typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
from django.utils import timezone

from config.foundation.array_types import Flags
from recommendations.engine.text_search.tokens import normalize
from recommendations.serving.expressions.expression import Expression, bind_expression
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.ranking import SearchHit
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import find_candidates, find_shown_rows, score_words, search
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.suggestions import complete_query

MAX_CHECKED = 8  # queries of the shop whose products are looked up
DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS = 5, 20
BASE_POPULARITY = 0.02  # of a product without sales


@dataclass(frozen=True)
class AutocompleteRequest:
    """A query that is still being typed, and how many queries, categories and products to return.

    filter: only products that match it, and queries and categories of such products. language: of the reader.
    """

    query: str
    n: int = DEFAULT_SUGGESTIONS
    filter: Expression | None = None
    language: str = ""
    is_browser: bool = False


@dataclass(frozen=True)
class Autocompletion:
    """What to show below the search box; hits: products."""

    query: str
    queries: Sequence[str]
    categories: Sequence[str]
    hits: Sequence[SearchHit]


def autocomplete(
    asked: AutocompleteRequest,
    *,
    snapshot: SearchSnapshot,
    popularity: Scores | None = None,
    rules: SearchRules | None = None,
    now: datetime | None = None,
) -> Autocompletion:
    """Return the best queries, categories and products, the same for all visitors. now: the current time, for filters that depend on it."""
    if not asked.query.strip():
        return Autocompletion(asked.query, [], [], [])
    now = timezone.now() if now is None else now
    n, language = asked.n, asked.language
    request = SearchRequest(
        q=asked.query,
        n=n,
        language=language,
        facets=False,
        strict=True,
        personalised=False,
        explain=False,
        filter=asked.filter,
    )
    page = search(request, snapshot=snapshot, popularity=popularity, rules=rules, now=now)
    shown = visible = find_shown_rows(snapshot, request, rules)
    if asked.filter is not None:
        bound = bind_expression(asked.filter, now)
        visible = snapshot.intersect([shown, snapshot.get_passing(snapshot.catalog.get_expression_mask(bound))])
    if page.corrected:
        queries = [page.corrected]
    else:
        searched = find_searched_queries(asked.query, snapshot, language, shown, visible, n=n)
        among = None if asked.filter is None else visible
        completed = complete_query(asked.query, snapshot, language, shown, among=among, n=n)
        queries = list(dict.fromkeys([*searched, *completed]))[:n]
    categories = rank_categories(request, snapshot, shown, visible, popularity, n=n)
    return Autocompletion(asked.query, queries, categories, page.hits)


def find_searched_queries(
    query: str, snapshot: SearchSnapshot, language: str, shown: Flags, visible: Flags, *, n: int
) -> list[str]:
    """Return queries of the shop that begin with the typed text, if a visible product has all of their words."""

    def has_products(text: str) -> bool:
        scored = snapshot.score_query(f"{text} ", language, None, visible=shown, autocorrect=False)
        matches = scored.find_matches(visible)
        return bool((matches.n_covered == matches.n_required).any())

    candidates = snapshot.shop_queries.complete(" ".join(normalize(query).split()), n=MAX_CHECKED)
    return list(islice(filter(has_products, candidates), n))


def rank_categories(
    request: SearchRequest,
    snapshot: SearchSnapshot,
    shown: Flags,
    visible: Flags,
    popularity: Scores | None,
    *,
    n: int,
) -> list[str]:
    """Return the paths of the categories in which the best matches sell best."""
    candidates, _matches = find_candidates(score_words(snapshot, request, popularity, shown), visible)
    if not len(candidates.rows):
        return []
    best = candidates.select(candidates.tier == candidates.tier.max())
    catalog_rows = snapshot.get_catalog_rows(best.rows)
    weights = best.text * best.text
    if popularity is not None:
        weights = weights * (np.float32(BASE_POPULARITY) + popularity(catalog_rows))
    codes = snapshot.catalog.category[catalog_rows]
    totals = np.bincount(codes + 1, weights=weights)[1:]
    top = np.argsort(-totals, kind="stable")[:n].tolist()
    paths = list(snapshot.catalog.categories)
    return [paths[code] for code in top if totals[code] > 0]
