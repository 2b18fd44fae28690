"""The product search: from a query and filters to one page of products with facets and suggestions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import Matches, ScoredQuery, find_top_places
from recommendations.engine.text_search.vocabulary import freeze
from recommendations.serving.rest.search.request import SearchRequest, SearchSort
from recommendations.serving.search.cursor import MAX_OFFSET, read_cursor, write_cursor
from recommendations.serving.search.facets import (
    Facets,
    build_price_ranges,
    count_attributes,
    count_brands,
    count_categories,
)
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.suggestions import SearchSuggestion, build_suggestions
from recommendations.serving.state.product_index import ProductFilters

PERSONAL_WEIGHT = 0.5  # a product with the highest personal score gets 1.5 times its text score
POPULARITY_WEIGHT = 0.25
HALF_CENT = 0.005

POPULAR = "popular"  # shown if nothing matches


@dataclass(frozen=True)
class SearchHit:
    """A product of the page. text: score of its words; personal, popularity, rule: factors on top; row: in the catalog."""

    row: int
    rank: int
    score: float
    text: float
    personal: float
    popularity: float
    rule: float
    match_type: str  # exact, all_words, some_words, everything, popular
    pinned: bool = False


@dataclass(frozen=True, eq=False)
class SearchPage:
    """One page of results. total: number of matching products; fallback: what is shown instead if there are none."""

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
    took_ms: float = 0.0


@dataclass(frozen=True, eq=False)
class SearchCandidates:
    """Text rows with their word scores and tier; a higher tier ranks first whatever the scores are."""

    rows: Rows
    text: npt.NDArray[np.float32]
    tier: npt.NDArray[np.int64]

    def subset(self, wanted: Flags) -> "SearchCandidates":
        return SearchCandidates(self.rows[wanted], self.text[wanted], self.tier[wanted])


def search(
    request: SearchRequest,
    *,
    snapshot: SearchSnapshot,
    person_scores: Scores | None = None,
    popularity: Scores | None = None,
    rules: SearchRules | None = None,
) -> SearchPage:
    """Return one page of products for the request.

    The score is text · (1 + PERSONAL_WEIGHT · personal) · (1 + POPULARITY_WEIGHT · popularity) · rule; the personal factor is 1 for an
    unknown visitor or if `personalised` is off. It orders products that match equally many query words. If nothing matches, popular
    products are shown and `fallback` says so, unless `strict`.

    Raises:
        InvalidSearchError: the cursor does not belong to this search.
    """
    offset = read_cursor(request)
    visible = find_visible_rows(snapshot, request, rules)
    filters = build_filter_masks(snapshot, request)
    allowed = np.logical_and.reduce([visible, *filters.values()])
    scored = (
        snapshot.texts.index.score(request.q, synonyms=snapshot.synonyms.of(request.language)) if request.q else None
    )
    candidates, matches = find_candidates(scored, allowed)
    total = len(candidates.rows)
    fallback = None
    if not total and not request.strict and not request.product_ids and offset == 0:
        fallback, candidates = POPULAR, get_all_candidates(visible, allowed)
    order = HitRanker(snapshot, request, person_scores if request.personalised else None, popularity, rules)
    hits, more = order.page(
        candidates, allowed, offset=offset, how_all=get_match_type(request, fallback), matches=matches
    )
    facets = Facets()
    if request.facets and fallback is None:
        wide = find_candidates(scored, visible)[0].rows if filters else candidates.rows
        facets = count_facets(snapshot, request, candidates, wide=wide, filters=filters)
    return SearchPage(
        request,
        snapshot,
        hits,
        total,
        fallback,
        matches.corrected if matches is not None else None,
        facets,
        build_suggestions(
            snapshot=snapshot, query=request.q, matches=matches, total=total, popular=hits if fallback else ()
        ),
        write_cursor(request, offset + request.n) if more and fallback is None else None,
        matches,
    )


def find_visible_rows(snapshot: SearchSnapshot, request: SearchRequest, rules: SearchRules | None) -> Flags:
    """Return the text rows that may be shown at all, before the customer's filters."""
    mask = snapshot.catalog.get_mask(ProductFilters(in_stock=request.in_stock))
    visible = snapshot.get_passing(snapshot.loaded.rules.filter_rows(mask, rules))
    if request.product_ids:
        only = np.zeros(len(visible), np.bool_)
        only[snapshot.find_rows(request.product_ids)] = True
        visible = visible & only
    return visible


def build_filter_masks(snapshot: SearchSnapshot, request: SearchRequest) -> dict[str, Flags]:
    """Return the text rows that pass each chosen filter, by facet name."""
    shelf = snapshot.catalog
    masks: dict[str, Flags] = {}
    if request.category:
        masks["category"] = snapshot.get_passing(
            shelf.get_mask(ProductFilters(in_stock=False, category=request.category))
        )
    if request.brand:
        masks["brand"] = snapshot.get_passing(shelf.get_mask(ProductFilters(in_stock=False, brand=request.brand)))
    if request.price_min is not None or request.price_max is not None:
        low = -np.inf if request.price_min is None else float(request.price_min) - HALF_CENT
        high = np.inf if request.price_max is None else float(request.price_max) + HALF_CENT
        masks["price"] = snapshot.get_passing(shelf.get_price_mask(low, high))
    every = np.arange(len(snapshot.catalog_rows) if request.attributes else 0, dtype=np.int32)
    for name, value in request.attributes.items():
        masks[f"attributes.{name}"] = snapshot.texts.attributes.find_rows(name, value, every)
    return masks


def find_candidates(scored: ScoredQuery | None, allowed: Flags) -> tuple[SearchCandidates, Matches | None]:
    """Return the allowed rows that match the words; all allowed rows without words."""
    if scored is None:
        return get_all_candidates(allowed, allowed), None
    matches = scored.matches(allowed)
    tier = matches.n_covered.copy()
    tier[np.searchsorted(matches.rows, matches.exact)] = matches.n_required + 1
    return SearchCandidates(matches.rows, matches.scores, tier), matches


def get_all_candidates(visible: Flags, allowed: Flags) -> SearchCandidates:
    """Return all allowed rows with equal scores; all visible rows if none is allowed."""
    rows = np.flatnonzero(allowed if allowed.any() else visible).astype(np.int32)
    return SearchCandidates(rows, np.ones(len(rows), np.float32), np.ones(len(rows), np.int64))


def get_match_type(request: SearchRequest, fallback: str | None) -> str:
    """Return how all products of the page were found."""
    if fallback is not None:
        return fallback
    return "words" if request.q else "everything"


class HitRanker:
    """Ranks candidates and builds the hits of one page."""

    def __init__(
        self,
        snapshot: SearchSnapshot,
        request: SearchRequest,
        person_scores: Scores | None,
        popularity: Scores | None,
        rules: SearchRules | None,
    ) -> None:
        self.snapshot, self.request, self.rules = snapshot, request, rules
        self.person_scores, self.popularity = person_scores, popularity

    def page(
        self, candidates: SearchCandidates, allowed: Flags, *, offset: int, how_all: str, matches: Matches | None
    ) -> tuple[list[SearchHit], bool]:
        """Return the hits from ``offset`` on, and whether more follow. Pinned products keep their positions in the whole list."""
        n = self.request.n
        uses_pins = self.request.sort == SearchSort.RELEVANCE and how_all != POPULAR
        pinned = self.pinned(allowed, candidates.rows) if uses_pins else {}
        if pinned:
            candidates = candidates.subset(~np.isin(candidates.rows, list(pinned.values())))
        shelf_rows = self.snapshot.get_catalog_rows(candidates.rows)
        factors = self.factors(shelf_rows)
        score = candidates.text.copy()
        for factor in factors.values():
            score *= factor
        top_candidates = find_top_places(*self.keys(candidates, shelf_rows, score), offset + n + 1)
        ranked = insert_pins(top_candidates.tolist(), pinned, upto=offset + n + 1)
        hits = []
        for rank, candidate in enumerate(ranked[offset : offset + n], start=offset + 1):
            if candidate < 0:  # negative numbers are pinned rows
                row = int(self.snapshot.catalog_rows[-candidate - 1])
                hits.append(
                    SearchHit(
                        row, rank, 0.0, 0.0, 1.0, 1.0, 1.0, how_all if how_all != "words" else "all_words", pinned=True
                    )
                )
                continue
            product_factors = {name: float(factor[candidate]) for name, factor in factors.items()}
            hits.append(
                SearchHit(
                    int(shelf_rows[candidate]),
                    rank,
                    float(score[candidate]),
                    float(candidates.text[candidate]),
                    product_factors.get("person", 1.0),
                    product_factors.get("popularity", 1.0),
                    product_factors.get("rule", 1.0),
                    how_all if how_all != "words" else get_word_match_type(int(candidates.tier[candidate]), matches),
                )
            )
        return hits, len(ranked) > offset + n and offset + n < MAX_OFFSET

    def factors(self, shelf_rows: Rows) -> dict[str, npt.NDArray[np.float32]]:
        """Return the factors on the word score by name."""
        factors: dict[str, npt.NDArray[np.float32]] = {}
        if self.request.sort != SearchSort.RELEVANCE or not len(shelf_rows):
            return factors
        if self.person_scores is not None:
            factors["person"] = 1 + np.float32(PERSONAL_WEIGHT) * self.person_scores(shelf_rows)
        if self.popularity is not None:
            factors["popularity"] = 1 + np.float32(POPULARITY_WEIGHT) * self.popularity(shelf_rows)
        if self.rules is not None and self.rules.factors is not None:
            factors["rule"] = self.rules.factors[shelf_rows]
        return factors

    def keys(
        self, candidates: SearchCandidates, shelf_rows: Rows, score: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float64], Rows]:
        """Return sort keys (larger first) and tie-breakers, which are the same on every page."""
        shelf = self.snapshot.catalog
        if self.request.sort == SearchSort.RELEVANCE:
            ceiling = float(score.max(initial=0.0)) + 1.0
            keys = candidates.tier * ceiling + score
        elif self.request.sort == SearchSort.NEWEST:
            keys = shelf.published[shelf_rows]
        else:
            keys = shelf.price[shelf_rows] * (1 if self.request.sort == SearchSort.DEAREST else -1)
        return np.nan_to_num(keys.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf), freeze(
            candidates.rows
        )

    def pinned(self, allowed: Flags, found: Rows) -> dict[int, int]:
        """Return position (from 0) → text row of pinned products that pass the filters and match the query."""
        if self.rules is None or not self.rules.pins:
            return {}
        here = self.snapshot.text_rows
        pins = {position - 1: int(here[row]) for position, row in self.rules.pins if row < len(here) and here[row] >= 0}
        return {position: row for position, row in pins.items() if allowed[row] and row in found}


def get_word_match_type(tier: int, matches: Matches | None) -> str:
    """Return how a product matches the words, by its tier."""
    if matches is None:
        return "everything"
    if tier > matches.n_required:
        return "exact"
    return "all_words" if tier == matches.n_required else "some_words"


def insert_pins(places: Sequence[int], pinned: Mapping[int, int], *, upto: int) -> list[int]:
    """Return candidate places in order, with -row - 1 for a pinned row at its position, or at the end of a shorter list."""
    if not pinned:
        return list(places)
    remaining, merged = iter(places), list[int]()
    waiting = dict(sorted(pinned.items()))
    for position in range(upto):
        if position in waiting:
            merged.append(-waiting.pop(position) - 1)
        elif (candidate := next(remaining, None)) is not None:
            merged.append(candidate)
        elif waiting:
            merged.append(-waiting.pop(min(waiting)) - 1)
        else:
            break
    return merged


def count_facets(
    snapshot: SearchSnapshot,
    request: SearchRequest,
    candidates: SearchCandidates,
    *,
    wide: Rows,
    filters: Mapping[str, Flags],
) -> Facets:
    """Count the facets over all matching products.

    A facet with an active filter is counted without that filter, so that another value can be chosen. wide: matches without any filter.
    """
    shelf = snapshot.catalog

    def rows_for(facet: str) -> Rows:
        if facet not in filters:
            return candidates.rows
        others = [mask[wide] for name, mask in filters.items() if name != facet]
        return wide[np.logical_and.reduce(others)] if others else wide

    by_category, by_brand = snapshot.catalog_rows[rows_for("category")], snapshot.catalog_rows[rows_for("brand")]
    attributes = count_attributes(snapshot, candidates.rows)
    for name in request.attributes:
        if own := count_attributes(snapshot, rows_for(f"attributes.{name}")).get(name):
            attributes[name] = own
    return Facets(
        count_categories(snapshot.levels, shelf.category[by_category], below=request.category),
        count_brands(shelf.brands, shelf.brand[by_brand]),
        build_price_ranges(shelf.price[snapshot.catalog_rows[rows_for("price")]]),
        attributes,
    )
