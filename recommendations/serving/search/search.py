"""The product search: from a request to one page of products with facets and suggestions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from django.utils import timezone

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import Matches, ScoredQuery
from recommendations.experiments.assignment import RunningExperiment, VariantAssignment
from recommendations.serving.expressions.attributes import CATALOG_PREFIX
from recommendations.serving.expressions.expression import bind_boosts, bind_expression
from recommendations.serving.search.cursor import read_cursor, write_cursor
from recommendations.serving.search.facets import (
    Facets,
    FacetValue,
    PriceRange,
    build_price_ranges,
    count_attributes,
    count_brands,
    count_categories,
)
from recommendations.serving.search.order.interleaving import InterleavedHits, SecondOrder, interleave_hits
from recommendations.serving.search.order.weights import OrderWeights
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.queries.price_words import parse_price_words
from recommendations.serving.search.ranking import (
    FALLBACKS,
    MATCHES_WORDS,
    NEWEST_PRODUCTS,
    POPULAR,
    HitRanker,
    SearchCandidates,
    SearchHit,
)
from recommendations.serving.search.request import SearchRequest, SearchSort
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.suggestions import SearchSuggestion, build_suggestions
from recommendations.serving.state.product_index import ProductFilters

HALF_CENT = 0.005


@dataclass(frozen=True, eq=False)
class SearchPage:
    """One page of results. total: number of matching products.

    fallback: what is shown instead if there are none, one of FALLBACKS.
    """

    request: SearchRequest
    snapshot: SearchSnapshot
    hits: Sequence[SearchHit]
    total: int
    fallback: str | None = None
    corrected: str | None = None
    facets: Facets = field(default_factory=Facets)
    suggestions: Sequence[SearchSuggestion] = ()
    next_cursor: str | None = None
    matches: Matches | None = None
    understood: SearchRequest | None = None  # with the prices of the query as filters
    took_ms: float = 0.0
    assignments: tuple[VariantAssignment, ...] = ()  # the variants of the experiments that decided about it
    interleaved: RunningExperiment | None = None  # whose two orders the page merges
    teams: tuple[int, ...] = ()  # the order that contributed each hit


def search(
    request: SearchRequest,
    *,
    snapshot: SearchSnapshot,
    personal_scores: Scores | None = None,
    popularity: Scores | None = None,
    rules: SearchRules | None = None,
    now: datetime | None = None,
    started: float | None = None,
    second: SecondOrder | None = None,
) -> SearchPage:
    """Return one page of products for the request.

    The score is text² · (1 + PERSONAL_WEIGHT · personal)^p · (1 + POPULARITY_WEIGHT · popularity)^q · (1 + CATEGORY_WEIGHT · category) · rule;
    p and q are 1 unless learned (`order.learning`), the personal factor is 1 for an unknown visitor or if `personalised` is off. It orders
    products that match equally well.
    If nothing matches, popular products are shown and `fallback` says so, unless the request is strict; without sales, the newest ones.
    now: the current time, for filters and boosts that depend on it. started: the moment of `time.perf_counter` from which the page's time
    counts. second: another order whose products are merged into those of the snapshot's.

    Raises:
        InvalidSearchError: the cursor does not belong to this search.
    """
    started = time.perf_counter() if started is None else started
    offset = read_cursor(request)
    now = timezone.now() if now is None else now
    understood = understand_query(request)
    shown = find_shown_rows(snapshot, request, rules)
    visible = select_requested(snapshot, request, shown)
    filters = build_filter_masks(snapshot, understood, now)
    allowed = snapshot.intersect([visible, *filters.values()])
    scored = score_words(snapshot, understood, popularity, shown)
    candidates, matches = find_candidates(scored, allowed)
    total = snapshot.count_products(candidates.rows, understood)
    fallback: str | None = None
    ranked_request = understood
    if not total and not understood.is_strict and not request.product_ids and offset == 0:
        candidates = get_all_candidates(visible, allowed)
        fallback, ranked_request = choose_fallback(snapshot, understood, candidates, popularity)
    boosts = snapshot.catalog.get_boosts(bind_boosts(request.boost, now)) if request.boost else None
    personal = personal_scores if request.personalised else None
    ranker = HitRanker(snapshot, ranked_request, personal, popularity, rules, boosts)
    ranked = rank_hits(ranker, second, candidates, allowed, offset, get_match_type(understood, fallback), matches)
    hits = ranked.hits
    facets = Facets()
    if request.facets and fallback is None:
        facets = get_facets(snapshot, understood, scored, candidates, visible=visible, filters=filters)
    return SearchPage(
        request,
        snapshot,
        hits,
        total,
        fallback,
        matches.corrected if matches is not None else None,
        facets,
        build_suggestions(
            understood, snapshot=snapshot, matches=matches, shown=shown, total=total, popular=hits if fallback else ()
        ),
        write_cursor(request, offset + request.n) if ranked.has_more and fallback is None else None,
        matches,
        understood,
        round((time.perf_counter() - started) * 1000, 2),
        teams=ranked.teams,
    )


def rank_hits(
    ranker: HitRanker,
    second: SecondOrder | None,
    candidates: SearchCandidates,
    allowed: Flags,
    offset: int,
    match_type: str,
    matches: Matches | None,
) -> InterleavedHits:
    """Return a page; with a second order, its products are merged into those of the snapshot's."""
    snapshot, request = ranker.snapshot, ranker.request
    if second is None or match_type in FALLBACKS or request.sort != SearchSort.RELEVANCE:
        hits, has_more = ranker.rank_page(candidates, allowed, offset=offset, match_type=match_type, matches=matches)
        return InterleavedHits(hits, (), has_more)

    def rank(weights: OrderWeights, n: int) -> tuple[list[SearchHit], bool]:
        whole = HitRanker(
            replace(snapshot, order=weights),
            replace(request, n=n),
            ranker.personal_scores,
            ranker.popularity,
            ranker.rules,
            ranker.boosts,
        )
        return whole.rank_page(candidates, allowed, offset=0, match_type=match_type, matches=matches)

    groups = snapshot.get_groups(request)
    return interleave_hits(
        rank,
        (snapshot.order, second.weights),
        offset=offset,
        n=request.n,
        seed=second.seed,
        groups=None if groups is None else groups.codes,
    )


def understand_query(request: SearchRequest) -> SearchRequest:
    """Return the request with the prices of its words as filters; prices given as filters take precedence."""
    if not request.q or request.price_min is not None or request.price_max is not None:
        return request
    words = parse_price_words(request.q)
    if words.is_empty:
        return request
    return replace(request, q=words.text, price_min=words.low, price_max=words.high)


def score_words(
    snapshot: SearchSnapshot, request: SearchRequest, popularity: Scores | None, shown: Flags
) -> ScoredQuery | None:
    """Return the scores of the words of a request among the shown rows, None without words."""
    if not request.q:
        return None
    return snapshot.score_query(request.q, request.language, popularity, visible=shown, autocorrect=request.autocorrect)


def find_shown_rows(snapshot: SearchSnapshot, request: SearchRequest, rules: SearchRules | None) -> Flags:
    """Return the text rows that may be shown at all; the array is shared, never write to it."""
    mask = snapshot.catalog.get_mask(ProductFilters(in_stock=request.in_stock))
    return snapshot.get_passing(snapshot.state.rules.filter_rows(mask, rules))


def select_requested(snapshot: SearchSnapshot, request: SearchRequest, shown: Flags) -> Flags:
    """Return the shown rows among the products that the request names, all of them if it names none."""
    if not request.product_ids:
        return shown
    is_requested = np.zeros(len(shown), np.bool_)
    is_requested[snapshot.find_rows(request.product_ids)] = True
    return shown & is_requested


def build_filter_masks(snapshot: SearchSnapshot, request: SearchRequest, now: datetime) -> dict[str, Flags]:
    """Return the text rows that pass each active filter, by facet name."""
    catalog = snapshot.catalog
    masks: dict[str, Flags] = {}
    if request.category:
        filters = ProductFilters(in_stock=False, category=request.category)
        masks["category"] = snapshot.get_passing(catalog.get_mask(filters))
    if request.brand:
        masks["brand"] = snapshot.get_passing(catalog.get_mask(ProductFilters(in_stock=False, brand=request.brand)))
    if request.price_min is not None or request.price_max is not None:
        # the mask excludes its ends; half a cent more on each side includes a price that equals a limit
        low = -np.inf if request.price_min is None else float(request.price_min) - HALF_CENT
        high = np.inf if request.price_max is None else float(request.price_max) + HALF_CENT
        masks["price"] = snapshot.get_passing(catalog.get_price_mask(low, high))
    if request.filter is not None:
        masks["filter"] = snapshot.get_passing(catalog.get_expression_mask(bind_expression(request.filter, now)))
    all_rows = np.arange(len(snapshot.catalog_rows) if request.attributes else 0, dtype=np.int32)
    for name, value in request.attributes.items():
        masks[f"{CATALOG_PREFIX}{name}"] = snapshot.texts.attributes.find_rows(name, value, all_rows)
    return masks


def find_candidates(scored: ScoredQuery | None, allowed: Flags) -> tuple[SearchCandidates, Matches | None]:
    """Return the allowed rows that match the words; all allowed rows without words."""
    if scored is None:
        return get_all_candidates(allowed, allowed), None
    matches = scored.find_matches(allowed)
    tier = matches.levels
    if len(matches.exact):
        tier = tier.copy()
        tier[np.searchsorted(matches.rows, matches.exact)] = matches.full_level + 1
    return SearchCandidates(matches.rows, matches.scores, tier), matches


def find_unfiltered_rows(scored: ScoredQuery | None, visible: Flags) -> Rows:
    """Return the rows that match the words without the filters."""
    return get_all_candidates(visible, visible).rows if scored is None else scored.find_rows(visible)


def get_all_candidates(visible: Flags, allowed: Flags) -> SearchCandidates:
    """Return all allowed rows with equal scores; all visible rows if none is allowed."""
    rows = np.flatnonzero(allowed if allowed.any() else visible).astype(np.int32)
    return SearchCandidates(rows, np.ones(len(rows), np.float32), np.ones(len(rows), np.int64))


def choose_fallback(
    snapshot: SearchSnapshot, request: SearchRequest, candidates: SearchCandidates, popularity: Scores | None
) -> tuple[str, SearchRequest]:
    """Return what is shown if nothing matches, and the request that ranks it: one product of each group, whatever the sort."""
    is_sold = popularity is not None and (popularity(snapshot.get_catalog_rows(candidates.rows)) > 0).any()
    if is_sold:
        return POPULAR, replace(request, distinct=True, sort=SearchSort.RELEVANCE)
    return NEWEST_PRODUCTS, replace(request, distinct=True, sort=SearchSort.NEWEST)


def get_match_type(request: SearchRequest, fallback: str | None) -> str:
    """Return how the products of the page match the request."""
    if fallback is not None:
        return fallback
    return MATCHES_WORDS if request.q else "everything"


def get_facets(
    snapshot: SearchSnapshot,
    request: SearchRequest,
    scored: ScoredQuery | None,
    candidates: SearchCandidates,
    *,
    visible: Flags,
    filters: Mapping[str, Flags],
) -> Facets:
    """Return the facets of the candidates, counted or cached; visible: text rows that may be shown without the filters."""
    # without filters, all candidates are already the matches: a second look-up would find the same rows
    unfiltered = find_unfiltered_rows(scored, visible) if filters else candidates.rows
    # an array of rows is shared only by the same words and filters, as long as no product changes
    return snapshot.facets.get_or_compute(
        candidates.rows,
        lambda _rows: count_facets(snapshot, request, candidates, unfiltered=unfiltered, filters=filters),
        variant=(request.is_browser, request.category, snapshot.get_groups(request), *request.attributes.items()),
    )


def count_facets(
    snapshot: SearchSnapshot,
    request: SearchRequest,
    candidates: SearchCandidates,
    *,
    unfiltered: Rows,
    filters: Mapping[str, Flags],
) -> Facets:
    """Count the facets over all matching products, or over their groups if the request is distinct.

    A facet with an active filter is counted without that filter, so that another value can be selected. unfiltered: matches
    without any filter.
    """
    catalog, groups = snapshot.catalog, snapshot.get_groups(request)

    def select_rows(facet: str) -> Rows:
        if facet not in filters:
            return candidates.rows
        others = [mask[unfiltered] for name, mask in filters.items() if name != facet]
        return unfiltered[np.logical_and.reduce(others)] if others else unfiltered

    def order_rows(rows: Rows) -> tuple[Rows, Rows, Rows | None]:
        """Return the text rows in the order of their groups, their catalog rows, and their groups; None counts products."""
        catalog_rows = snapshot.catalog_rows[rows]
        if groups is None:
            return rows, catalog_rows, None
        catalog_rows = groups.sort_by_group(catalog_rows)
        return snapshot.text_rows[catalog_rows], catalog_rows, groups.codes[catalog_rows]

    def count_prices(rows: Rows) -> list[PriceRange]:
        _rows, catalog_rows, codes = order_rows(rows)
        return build_price_ranges(catalog.price[catalog_rows], codes)

    def count_values_of(rows: Rows) -> dict[str, list[FacetValue]]:
        rows, _catalog_rows, codes = order_rows(rows)
        return count_attributes(snapshot, rows, is_browser=request.is_browser, groups=codes)

    _rows, category_rows, category_groups = order_rows(select_rows("category"))
    _rows, brand_rows, brand_groups = order_rows(select_rows("brand"))
    # rows without a filter may be the same array for many requests, of which each has other prices
    price_ranges = snapshot.price_ranges.get_or_compute(select_rows("price"), count_prices, variant=groups)
    attributes = count_values_of(candidates.rows)
    for name in request.attributes:
        if values := count_values_of(select_rows(f"{CATALOG_PREFIX}{name}")).get(name):
            attributes[name] = values
    return Facets(
        count_categories(
            snapshot.levels, catalog.category[category_rows], below=request.category, groups=category_groups
        ),
        count_brands(snapshot.brands, catalog.brand[brand_rows], brand_groups),
        price_ranges,
        attributes,
    )
