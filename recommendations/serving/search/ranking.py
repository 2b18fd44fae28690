"""Rank the candidates of a search and cut out one page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import Matches, find_top_positions
from recommendations.engine.text_search.order_kernels import compute_order, weigh_categories
from recommendations.engine.text_search.vocabulary import freeze
from recommendations.serving.pipeline.context import LAST_RESORT
from recommendations.serving.search.cursor import MAX_OFFSET
from recommendations.serving.search.order.weights import compute_personal_factor, compute_popularity_factor
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.request import SearchRequest, SearchSort
from recommendations.serving.search.search_rules import SearchRules
from recommendations.serving.search.snapshot import SearchSnapshot

CATEGORY_WEIGHT = 2.0  # of the category in which the products that match the words sell best
NAMED_CATEGORY_GAIN = 4.0  # factor on the sales of a category whose name is the query
CATEGORY_BASE = 0.02  # popularity of a product without sales, for the shares of categories

# shown if nothing matches; the newest products if none was sold
POPULAR, NEWEST_PRODUCTS = FALLBACKS = "popular", LAST_RESORT
MATCHES_WORDS = "words"  # how each product matches depends on its tier
FACTORS = ("personal", "popularity", "rule", "boost", "category")
NO_FACTOR, NO_GAINS = np.empty(0, np.float32), np.empty(0, np.float64)

type FindTop = Callable[[int], npt.NDArray[np.integer]]  # number of candidates → positions of the best ones


class SearchHit(NamedTuple):
    """A product of the page. text: score of its words.

    personal, popularity, category, rule, boost: factors on top, before `OrderWeights` raises them; row: in the catalog; group: products of one
    group match equally well.
    """

    row: int
    rank: int
    score: float
    text: float
    personal: float
    popularity: float
    rule: float
    category: float
    match_type: str  # exact, all_words, some_words, everything, popular, catalogue
    pinned: bool = False
    boost: float = 1.0
    group: int = 0


@dataclass(frozen=True, eq=False)
class SearchCandidates:
    """Text rows with their word scores and tier.

    A higher tier ranks first whatever the scores are.
    """

    rows: Rows
    text: npt.NDArray[np.float32]
    tier: npt.NDArray[np.int64]

    def select(self, mask: Flags) -> "SearchCandidates":
        """Return the candidates of a mask."""
        return SearchCandidates(self.rows[mask], self.text[mask], self.tier[mask])


class HitRanker:
    """Ranks candidates and builds the hits of one page."""

    def __init__(
        self,
        snapshot: SearchSnapshot,
        request: SearchRequest,
        personal_scores: Scores | None,
        popularity: Scores | None,
        rules: SearchRules | None,
        boosts: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.snapshot, self.request, self.rules, self.boosts = snapshot, request, rules, boosts
        self.personal_scores, self.popularity = personal_scores, popularity

    def rank_page(
        self, candidates: SearchCandidates, allowed: Flags, *, offset: int, match_type: str, matches: Matches | None
    ) -> tuple[list[SearchHit], bool]:
        """Return the hits from ``offset`` on, and whether more follow.

        Pinned products keep their positions in the whole list.

        match_type: that of all products, or MATCHES_WORDS.
        """
        n = self.request.n
        uses_pins = self.request.sort == SearchSort.RELEVANCE and match_type not in FALLBACKS
        pins = self.find_pins(allowed, candidates.rows) if uses_pins else {}
        if pins:
            candidates = self.leave_out_pinned(candidates, list(pins.values()))
        catalog_rows = self.snapshot.get_catalog_rows(candidates.rows)
        factors = self.compute_factors(catalog_rows)
        if match_type == MATCHES_WORDS and self.request.sort == SearchSort.RELEVANCE and len(catalog_rows):
            query = matches.corrected if matches is not None and matches.corrected else self.request.q
            factors["category"] = self.compute_category_factor(candidates, catalog_rows, query)
        score, groups, find_top = self.order_candidates(candidates, catalog_rows, factors, matches)
        # one candidate more than the page holds shows whether another page follows
        top_candidates = self.find_top_candidates(find_top, catalog_rows, offset + n + 1)
        ranked = insert_pins(top_candidates.tolist(), pins, upto=offset + n + 1)
        page = ranked[offset : offset + n]
        shown = np.array([candidate for candidate in page if candidate >= 0], np.int64)
        unranked = zip(
            catalog_rows[shown].tolist(),
            score[shown].tolist(),
            candidates.text[shown].tolist(),
            candidates.tier[shown].tolist(),
            *(
                factors[name][shown].tolist() if name in factors else repeat(1.0, len(shown))
                for name in ("personal", "popularity", "rule", "category", "boost")
            ),
            groups[shown].tolist(),
            strict=True,
        )
        hits = []
        for rank, candidate in enumerate(page, start=offset + 1):
            if candidate < 0:
                hits.append(self.make_pinned_hit(-candidate - 1, rank, match_type))
                continue
            row, value, text, tier, personal, popularity, rule, category, boost, group = next(unranked)
            how = get_word_match_type(tier, matches) if match_type == MATCHES_WORDS else match_type
            hits.append(
                SearchHit(row, rank, value, text, personal, popularity, rule, category, how, False, boost, group)
            )
        return hits, len(ranked) > offset + n and offset + n < MAX_OFFSET

    def order_candidates(
        self,
        candidates: SearchCandidates,
        catalog_rows: Rows,
        factors: Mapping[str, npt.NDArray[np.float32]],
        matches: Matches | None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], FindTop]:
        """Return the score of each candidate, the number of its group of equal matches, and what finds the best candidates."""
        ties = freeze(candidates.rows)
        if self.request.sort == SearchSort.RELEVANCE:
            weighted = self.snapshot.order.weigh(factors)
            columns = [weighted.get(name, NO_FACTOR) for name in FACTORS]
            score, groups, order_keys = compute_order(candidates.text, candidates.tier, *columns)
            return score, groups, partial(find_top_positions, order_keys, ties)
        score = candidates.text * candidates.text
        tiers = candidates.tier if matches is None else np.minimum(candidates.tier, matches.full_level)
        if self.request.sort == SearchSort.NEWEST:
            ties = freeze(self.rank_by_addition(catalog_rows))
        find_top = partial(find_top_of_tiers, self.compute_sort_keys(catalog_rows, score), ties, tiers)
        return score, candidates.tier, find_top

    def leave_out_pinned(self, candidates: SearchCandidates, pinned: list[int]) -> SearchCandidates:
        """Return the candidates without the pinned ones and, if the request is distinct, their groups."""
        is_left_out = np.isin(candidates.rows, pinned)
        groups = self.snapshot.get_groups(self.request)
        if groups is not None:
            codes = groups.codes[self.snapshot.catalog_rows[pinned]]
            is_left_out |= np.isin(groups.codes[self.snapshot.catalog_rows[candidates.rows]], codes)
        return candidates.select(~is_left_out)

    def find_top_candidates(self, find_top: FindTop, catalog_rows: Rows, n: int) -> npt.NDArray[np.integer]:
        """Return the positions of the n best candidates; if the request is distinct, only the best of each group.

        find_top: returns that many of the best candidates, whatever their groups.
        """
        groups = self.snapshot.get_groups(self.request)
        if groups is None:
            return find_top(n)
        size = 2 * n
        while True:
            top = find_top(size)
            first = groups.find_first(catalog_rows[top])
            if first is None or len(first) >= n or len(top) < size:
                return top[:n] if first is None else top[first[:n]]
            size *= 2

    def make_pinned_hit(self, text_row: int, rank: int, match_type: str) -> SearchHit:
        """Return the hit of a pinned product, which has no score."""
        return SearchHit(
            int(self.snapshot.catalog_rows[text_row]),
            rank,
            score=0.0,
            text=0.0,
            personal=1.0,
            popularity=1.0,
            rule=1.0,
            category=1.0,
            match_type="all_words" if match_type == MATCHES_WORDS else match_type,
            pinned=True,
        )

    def compute_factors(self, catalog_rows: Rows) -> dict[str, npt.NDArray[np.float32]]:
        """Return the factors on the word score by name, before they are raised to their exponents."""
        factors: dict[str, npt.NDArray[np.float32]] = {}
        if self.request.sort != SearchSort.RELEVANCE or not len(catalog_rows):
            return factors
        if self.personal_scores is not None:
            factors["personal"] = compute_personal_factor(self.personal_scores(catalog_rows))
        if self.popularity is not None:
            factors["popularity"] = compute_popularity_factor(self.popularity(catalog_rows))
        if self.rules is not None and self.rules.factors is not None:
            factors["rule"] = self.rules.factors[catalog_rows]
        if self.boosts is not None:
            factors["boost"] = self.boosts[catalog_rows]
        return factors

    def compute_category_factor(
        self, candidates: SearchCandidates, catalog_rows: Rows, query: str
    ) -> npt.NDArray[np.float32]:
        """Return a factor for the categories in which the best matches sell: the intent of words such as milk or diapers.

        1 + CATEGORY_WEIGHT · the category's share in Σ text⁴ · popularity over the best tier, relative to the largest share. The
        fourth power, because many products that only contain a word, such as orange juices, would outweigh what it names.
        """
        catalog = self.snapshot.catalog
        codes = catalog.category[catalog_rows]
        n_categories = max(len(catalog.categories), int(codes.max()) + 1)
        table, language = self.snapshot.synonyms, self.request.language
        named_key = query, language, table.fingerprint
        gains = NO_GAINS
        for named in self.snapshot.levels.find_named(query, table.get_for_language(language), key=named_key):
            gains = gains if len(gains) else np.ones(n_categories + 1)
            gains[1 : len(named) + 1] *= np.where(named, NAMED_CATEGORY_GAIN, 1.0)
        popularity = NO_FACTOR if self.popularity is None else self.popularity(catalog_rows)
        return weigh_categories(
            candidates.text, candidates.tier, codes, popularity, CATEGORY_BASE, gains, CATEGORY_WEIGHT, n_categories
        )

    def compute_sort_keys(self, catalog_rows: Rows, score: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the keys of an order other than relevance, larger first."""
        catalog = self.snapshot.catalog
        if self.request.sort == SearchSort.NEWEST:
            keys = catalog.published[catalog_rows]
        elif self.request.sort == SearchSort.BEST_SELLING:
            # without a model nothing is known about sales, and the words decide
            keys = score if self.popularity is None else self.popularity(catalog_rows)
        else:
            keys = catalog.price[catalog_rows] * (1 if self.request.sort == SearchSort.MOST_EXPENSIVE else -1)
        # products without a price or date come last in every order
        return np.nan_to_num(keys.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)

    def rank_by_addition(self, catalog_rows: Rows) -> Rows:
        """Return the position of each product among all products, the last added first."""
        added_last = self.snapshot.catalog.get_rows_added_last()
        # a product that the catalog has just got is not among them yet: it is the newest
        ranks = np.full(max(len(added_last), int(catalog_rows.max(initial=-1)) + 1), -1, np.int32)
        ranks[added_last] = np.arange(len(added_last), dtype=np.int32)
        return ranks[catalog_rows]

    def find_pins(self, allowed: Flags, matching: Rows) -> dict[int, int]:
        """Return position (from 0) → text row of the pins that pass the filters and match the query.

        If a position is occupied by a pin of higher priority, the pin moves to the next free one.
        """
        if self.rules is None or not self.rules.pins:
            return {}
        text_rows = self.snapshot.text_rows
        pins: dict[int, int] = {}
        for position, catalog_row in self.rules.pins:
            row = int(text_rows[catalog_row]) if catalog_row < len(text_rows) else -1
            if row < 0 or not allowed[row] or row not in matching:
                continue
            place = position - 1
            while place in pins:
                place += 1
            pins[place] = row
        return pins


def find_top_of_tiers(
    keys: npt.NDArray[np.float64], ties: Rows, tiers: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.integer]:
    """Return the positions of the n largest keys of the highest tier, followed by those of the next tiers until there are n.

    Otherwise the cheapest products that match one of the words would come before all products that match every word.
    """
    if not len(tiers) or tiers.min() == tiers.max():
        return find_top_positions(keys, ties, n)
    found: list[npt.NDArray[np.integer]] = []
    remaining, left = n, np.arange(len(tiers))
    while remaining > 0 and len(left):
        is_highest = tiers[left] == tiers[left].max()
        positions, left = left[is_highest], left[~is_highest]
        top = find_top_positions(keys[positions], freeze(ties[positions]), remaining)
        found.append(positions[top])
        remaining -= len(top)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def get_word_match_type(tier: int, matches: Matches | None) -> str:
    """Return how a product matches the words, by its tier."""
    if matches is None:
        return "everything"
    if tier > matches.full_level:
        return "exact"
    return "all_words" if tier == matches.full_level else "some_words"


def insert_pins(candidates: Sequence[int], pins: Mapping[int, int], *, upto: int) -> list[int]:
    """Return candidates with pinned rows at their positions, or at the end of a shorter list.

    A pinned row is -row - 1, to tell it from candidates.
    """
    if not pins:
        return list(candidates)
    remaining, merged = iter(candidates), list[int]()
    waiting = dict(sorted(pins.items()))
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
