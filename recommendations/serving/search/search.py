"""The search itself: typed words and filters to one page of products, and what is known about all that were found."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import Matches, ScoredQuery, top_places
from recommendations.engine.text_search.vocabulary import frozen
from recommendations.serving.rest.search.request import SearchRequest, Sort, WrongSearchError
from recommendations.serving.search.facets import (
    Facets,
    attribute_counts,
    brand_counts,
    category_counts,
    price_ranges,
)
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.search_rules import Rules
from recommendations.serving.search.snapshot import Snapshot
from recommendations.serving.search.suggestions import Suggestion, suggestions_for
from recommendations.serving.state.product_index import Filters

PERSON_WEIGHT = 0.5  # what a person wants most counts for half as much again as its text alone
POPULARITY_WEIGHT = 0.25
FURTHEST = 10_000  # products that pages lead to
CENT = 0.005

POPULAR = "popular"  # shown instead of nothing


@dataclass(frozen=True)
class Hit:
    """A product of the page. text: the score of its words; person, popularity and rule: the factors on top; row: that of the catalogue."""

    row: int
    rank: int
    score: float
    text: float
    person: float
    popularity: float
    rule: float
    how: str  # exact, all_words, some_words, everything, popular
    pinned: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """A page. total: how many products were found; fallback: what is shown instead, when that is none."""

    request: SearchRequest
    snapshot: Snapshot
    hits: Sequence[Hit]
    total: int
    fallback: str | None = None
    corrected: str | None = None
    facets: Facets = field(default_factory=Facets)
    suggestions: Sequence[Suggestion] = ()
    next_cursor: str | None = None
    matches: Matches | None = None
    took_ms: float = 0.0


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Rows of texts, the score of their words, and a tier: what is of a higher one comes first whatever the scores are."""

    rows: Rows
    text: npt.NDArray[np.float32]
    tier: npt.NDArray[np.int64]

    def subset(self, wanted: Flags) -> "_Candidates":
        return _Candidates(self.rows[wanted], self.text[wanted], self.tier[wanted])


def search(
    request: SearchRequest,
    *,
    snapshot: Snapshot,
    person_scores: Scores | None = None,
    popularity: Scores | None = None,
    rules: Rules | None = None,
) -> Found:
    """One page of what the request asks for.

    The score is text · (1 + PERSON_WEIGHT · person) · (1 + POPULARITY_WEIGHT · popularity) · rule, the text alone without a
    person or where `personalised` is off; it orders products that answer as many of the query's words. Where nothing answers,
    what is popular is shown and `fallback` says so, unless `strict`.

    Raises:
        WrongSearchError: the cursor is not one of this search's.
    """
    offset = read_cursor(request)
    visible = visible_rows(snapshot, request, rules)
    filters = filter_masks(snapshot, request)
    allowed = np.logical_and.reduce([visible, *filters.values()])
    scored = (
        snapshot.texts.index.scored(request.q, synonyms=snapshot.synonyms.of(request.language)) if request.q else None
    )
    candidates, matches = candidates_of(scored, allowed)
    total = len(candidates.rows)
    fallback = None
    if not total and not request.strict and not request.product_ids and offset == 0:
        fallback, candidates = POPULAR, anything(visible, allowed)
    order = _Order(snapshot, request, person_scores if request.personalised else None, popularity, rules)
    hits, more = order.page(candidates, allowed, offset=offset, how_all=how_found(request, fallback), matches=matches)
    facets = Facets()
    if request.facets and fallback is None:
        wide = candidates_of(scored, visible)[0].rows if filters else candidates.rows
        facets = facets_of(snapshot, request, candidates, wide=wide, filters=filters)
    return Found(
        request,
        snapshot,
        hits,
        total,
        fallback,
        matches.corrected if matches is not None else None,
        facets,
        suggestions_for(
            snapshot=snapshot, query=request.q, matches=matches, total=total, popular=hits if fallback else ()
        ),
        write_cursor(request, offset + request.n) if more and fallback is None else None,
        matches,
    )


def visible_rows(snapshot: Snapshot, request: SearchRequest, rules: Rules | None) -> Flags:
    """What may be shown at all, before the filters that a customer chose; by rows of texts."""
    mask = snapshot.shelf.mask(Filters(in_stock=request.in_stock))
    visible = snapshot.passing(snapshot.loaded.ruling.allowed(mask, rules))
    if request.product_ids:
        only = np.zeros(len(visible), np.bool_)
        only[snapshot.rows_of(request.product_ids)] = True
        visible = visible & only
    return visible


def filter_masks(snapshot: Snapshot, request: SearchRequest) -> dict[str, Flags]:
    """For each filter that was chosen, by its name in the facets, which rows of texts pass it."""
    shelf = snapshot.shelf
    masks: dict[str, Flags] = {}
    if request.category:
        masks["category"] = snapshot.passing(shelf.mask(Filters(in_stock=False, category=request.category)))
    if request.brand:
        masks["brand"] = snapshot.passing(shelf.mask(Filters(in_stock=False, brand=request.brand)))
    if request.price_min is not None or request.price_max is not None:
        low = -np.inf if request.price_min is None else float(request.price_min) - CENT
        high = np.inf if request.price_max is None else float(request.price_max) + CENT
        masks["price"] = snapshot.passing(shelf.priced_between(low, high))
    every = np.arange(len(snapshot.there) if request.attributes else 0, dtype=np.int32)
    for name, value in request.attributes.items():
        masks[f"attributes.{name}"] = snapshot.texts.attributes.having(name, value, every)
    return masks


def candidates_of(scored: ScoredQuery | None, allowed: Flags) -> tuple[_Candidates, Matches | None]:
    """What answers the words among the allowed rows; everything allowed where no words were typed."""
    if scored is None:
        return anything(allowed, allowed), None
    matches = scored.matches(allowed)
    tier = matches.covered.copy()
    tier[np.searchsorted(matches.rows, matches.exact)] = matches.needed + 1
    return _Candidates(matches.rows, matches.scores, tier), matches


def anything(visible: Flags, allowed: Flags) -> _Candidates:
    """Every allowed row alike; every visible one where none is allowed."""
    rows = np.flatnonzero(allowed if allowed.any() else visible).astype(np.int32)
    return _Candidates(rows, np.ones(len(rows), np.float32), np.ones(len(rows), np.int64))


def how_found(request: SearchRequest, fallback: str | None) -> str:
    if fallback is not None:
        return fallback
    return "words" if request.q else "everything"


class _Order:
    """Puts candidates in order and makes hits of those of one page."""

    def __init__(
        self,
        snapshot: Snapshot,
        request: SearchRequest,
        person_scores: Scores | None,
        popularity: Scores | None,
        rules: Rules | None,
    ) -> None:
        self.snapshot, self.request, self.rules = snapshot, request, rules
        self.person_scores, self.popularity = person_scores, popularity

    def page(
        self, candidates: _Candidates, allowed: Flags, *, offset: int, how_all: str, matches: Matches | None
    ) -> tuple[list[Hit], bool]:
        """The hits from ``offset`` on, and whether more come after them. Pinned products stand at their places of the whole list."""
        n = self.request.n
        wanted = self.request.sort == Sort.RELEVANCE and how_all != POPULAR
        pinned = self.pinned(allowed, candidates.rows) if wanted else {}
        if pinned:
            candidates = candidates.subset(~np.isin(candidates.rows, list(pinned.values())))
        shelf_rows = self.snapshot.shelf_rows(candidates.rows)
        factors = self.factors(shelf_rows)
        score = candidates.text.copy()
        for factor in factors.values():
            score *= factor
        best = top_places(*self.keys(candidates, shelf_rows, score), offset + n + 1)
        ranked = merged_with_pins(best.tolist(), pinned, upto=offset + n + 1)
        hits = []
        for rank, place in enumerate(ranked[offset : offset + n], start=offset + 1):
            if place < 0:  # a pinned row
                row = int(self.snapshot.there[-place - 1])
                hits.append(
                    Hit(row, rank, 0.0, 0.0, 1.0, 1.0, 1.0, how_all if how_all != "words" else "all_words", pinned=True)
                )
                continue
            told = {name: float(factor[place]) for name, factor in factors.items()}
            hits.append(
                Hit(
                    int(shelf_rows[place]),
                    rank,
                    float(score[place]),
                    float(candidates.text[place]),
                    told.get("person", 1.0),
                    told.get("popularity", 1.0),
                    told.get("rule", 1.0),
                    how_all if how_all != "words" else how_matched(int(candidates.tier[place]), matches),
                )
            )
        return hits, len(ranked) > offset + n and offset + n < FURTHEST

    def factors(self, shelf_rows: Rows) -> dict[str, npt.NDArray[np.float32]]:
        """What the score of the words is multiplied by, in its parts."""
        found: dict[str, npt.NDArray[np.float32]] = {}
        if self.request.sort != Sort.RELEVANCE or not len(shelf_rows):
            return found
        if self.person_scores is not None:
            found["person"] = 1 + np.float32(PERSON_WEIGHT) * self.person_scores(shelf_rows)
        if self.popularity is not None:
            found["popularity"] = 1 + np.float32(POPULARITY_WEIGHT) * self.popularity(shelf_rows)
        if self.rules is not None and self.rules.factors is not None:
            found["rule"] = self.rules.factors[shelf_rows]
        return found

    def keys(
        self, candidates: _Candidates, shelf_rows: Rows, score: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float64], Rows]:
        """Larger is earlier; then what decides between equal ones, which is the same on every page."""
        shelf = self.snapshot.shelf
        if self.request.sort == Sort.RELEVANCE:
            ceiling = float(score.max(initial=0.0)) + 1.0
            keys = candidates.tier * ceiling + score
        elif self.request.sort == Sort.NEWEST:
            keys = shelf.published[shelf_rows]
        else:
            keys = shelf.price[shelf_rows] * (1 if self.request.sort == Sort.DEAREST else -1)
        return np.nan_to_num(keys.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf), frozen(
            candidates.rows
        )

    def pinned(self, allowed: Flags, found: Rows) -> dict[int, int]:
        """Position (from 0) → row of texts, of what the merchandiser pins, the customer's filters leave and the words find."""
        if self.rules is None or not self.rules.pins:
            return {}
        here = self.snapshot.here
        pins = {position - 1: int(here[row]) for position, row in self.rules.pins if row < len(here) and here[row] >= 0}
        return {position: row for position, row in pins.items() if allowed[row] and row in found}


def how_matched(tier: int, matches: Matches | None) -> str:
    if matches is None:
        return "everything"
    if tier > matches.needed:
        return "exact"
    return "all_words" if tier == matches.needed else "some_words"


def merged_with_pins(places: Sequence[int], pinned: Mapping[int, int], *, upto: int) -> list[int]:
    """Places of candidates in order, with -row - 1 for a pinned row at its position, or at the end of a shorter list."""
    if not pinned:
        return list(places)
    rest, found = iter(places), list[int]()
    waiting = dict(sorted(pinned.items()))
    for position in range(upto):
        if position in waiting:
            found.append(-waiting.pop(position) - 1)
        elif (place := next(rest, None)) is not None:
            found.append(place)
        elif waiting:
            found.append(-waiting.pop(min(waiting)) - 1)
        else:
            break
    return found


def facets_of(
    snapshot: Snapshot,
    request: SearchRequest,
    candidates: _Candidates,
    *,
    wide: Rows,
    filters: Mapping[str, Flags],
) -> Facets:
    """Counts over all that was found. Of a facet that a filter was chosen from, over what would be found without that filter,
    so that another of its values can be chosen instead. wide: what would be found without any filter."""
    shelf = snapshot.shelf

    def rows_for(facet: str) -> Rows:
        if facet not in filters:
            return candidates.rows
        others = [mask[wide] for name, mask in filters.items() if name != facet]
        return wide[np.logical_and.reduce(others)] if others else wide

    by_category, by_brand = snapshot.there[rows_for("category")], snapshot.there[rows_for("brand")]
    attributes = attribute_counts(snapshot, candidates.rows)
    for name in request.attributes:
        if own := attribute_counts(snapshot, rows_for(f"attributes.{name}")).get(name):
            attributes[name] = own
    return Facets(
        category_counts(snapshot.levels, shelf.category[by_category], below=request.category),
        brand_counts(shelf.brands, shelf.brand[by_brand]),
        price_ranges(shelf.price[snapshot.there[rows_for("price")]]),
        attributes,
    )


def search_mark(request: SearchRequest) -> str:
    """What is the same for all pages of a search and for no other."""
    told = repr((
        request.q, request.category, request.brand, request.price_min, request.price_max, request.in_stock,
        sorted(request.attributes.items()), request.product_ids, request.sort,
    ))  # fmt: skip
    return blake2b(told.encode(errors="replace"), digest_size=6).hexdigest()


def write_cursor(request: SearchRequest, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{offset}.{search_mark(request)}".encode()).decode().rstrip("=")


def read_cursor(request: SearchRequest) -> int:
    """Raises WrongSearchError."""
    if not request.cursor:
        return 0
    told = _("cursor is not one that an answer to this search gave; leave it out to begin.")
    wrong = WrongSearchError({"cursor": told})
    try:
        text = base64.urlsafe_b64decode(request.cursor.encode("ascii") + b"=" * (-len(request.cursor) % 4)).decode()
        offset, _dot, mark = text.partition(".")
        place = int(offset)
    except (ValueError, binascii.Error) as error:
        raise wrong from error
    if not 0 < place <= FURTHEST or mark != search_mark(request):
        raise wrong
    return place
