"""Parses a query into terms, the clauses that cover them, and their alternatives."""

from dataclasses import dataclass
from itertools import pairwise

from recommendations.engine.text_search.synonyms import Synonyms, TermSet
from recommendations.engine.text_search.tokens import (
    TextRun,
    is_unspaced,
    iterate_runs,
    join_hyphenated,
    normalize,
    split_into_words,
)

MAX_TERMS = 64  # one bit each; further terms are ignored
# optional in a document; searched only if the query has no other words
STOP_WORDS = frozenset(
    "a an and are as at be by for from in is it of on or that the this to with 的 了 和 与 之 是".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class QueryTerm:
    """A word, or one character of unspaced text; run: its position in the normalized query."""

    term: str
    run: TextRun
    is_required: bool = True


@dataclass(frozen=True)
class QueryClause:
    """One term to search; covers: the bits of the query terms that a document with it covers.

    is_unfinished: longer words match too. is_single_character: one character of a longer run, used only if nothing else matches.
    """

    term: str
    covers: int
    place: int
    is_unfinished: bool = False
    is_single_character: bool = False

    @property
    def is_word(self) -> bool:
        return not is_unspaced(self.term)


@dataclass(frozen=True)
class QueryUnit:
    """Clauses whose scores add up, or one of the alternatives instead of all of them."""

    clauses: tuple[QueryClause, ...]
    alternatives: tuple[TermSet, ...] = ()
    covers: int = 0


@dataclass(frozen=True)
class ParsedQuery:
    text: str  # normalized
    terms: tuple[QueryTerm, ...]
    units: tuple[QueryUnit, ...]

    @property
    def all_places(self) -> int:
        return sum(1 << number for number, place in enumerate(self.terms) if place.is_required)


def parse_text_query(text: str, synonyms: Synonyms) -> ParsedQuery:
    """Parse any text; the query has no terms if there is no letter and no digit."""
    whole = normalize(text)
    terms_found: list[QueryTerm] = []
    hyphened: dict[int, tuple[int, str]] = {}  # first term → (term after the last, the joined word)
    for run in iterate_runs(whole):
        terms = list(run.text) if run.is_unspaced else split_into_words(run.text)
        if not run.is_unspaced and (joined := join_hyphenated(run.text)) and len(terms_found) + len(terms) <= MAX_TERMS:
            hyphened[len(terms_found)] = (len(terms_found) + len(terms), joined)
        terms_found += [QueryTerm(term, run) for term in terms]
    terms_found = terms_found[:MAX_TERMS]
    if any(place.term not in STOP_WORDS for place in terms_found):
        terms_found = [QueryTerm(place.term, place.run, place.term not in STOP_WORDS) for place in terms_found]
    unfinished = bool(terms_found) and terms_found[-1].run.end == len(whole) and not terms_found[-1].run.is_unspaced
    return ParsedQuery(
        whole, tuple(terms_found), tuple(_build_units(terms_found, hyphened, synonyms, unfinished=unfinished))
    )


def _build_units(
    places: list[QueryTerm], hyphened: dict[int, tuple[int, str]], synonyms: Synonyms, *, unfinished: bool
) -> list[QueryUnit]:
    """Build units from left to right: longest names with synonyms first; between them words and unspaced runs."""
    atoms = tuple(place.term for place in places)
    units: list[QueryUnit] = []
    start = loose = 0
    while start < len(places):
        end, others = next(synonyms.at(atoms, start), (start, []))
        if start in hyphened and hyphened[start][0] >= end:
            end, others = hyphened[start][0], [*others, (hyphened[start][1],)]
        if end == start:
            start += 1
            continue
        units += [QueryUnit((clause,)) for clause in _build_clauses(places, loose, start, unfinished=False)]
        clauses = tuple(_build_clauses(places, start, end, unfinished=unfinished))
        units.append(QueryUnit(clauses, tuple(others), _get_bits(places, start, end)))
        start = loose = end
    return [
        *units,
        *(QueryUnit((clause,)) for clause in _build_clauses(places, loose, len(places), unfinished=unfinished)),
    ]


def _build_clauses(places: list[QueryTerm], start: int, end: int, *, unfinished: bool) -> list[QueryClause]:
    """Build clauses; a run of n unspaced characters gives n - 1 pairs of neighbors, and single characters for relaxed matching."""
    clauses: list[QueryClause] = []
    for number in range(start, end):
        place = places[number]
        if not place.run.is_unspaced:
            last = unfinished and number == len(places) - 1
            clauses.append(QueryClause(place.term, _get_bits(places, number, number + 1), number, is_unfinished=last))
            continue
        alone = len([other for other in places[start:end] if other.run == place.run]) == 1
        clauses.append(
            QueryClause(place.term, _get_bits(places, number, number + 1), number, is_single_character=not alone)
        )
    pairs = [
        QueryClause(places[one].term + places[other].term, _get_bits(places, one, other + 1), one)
        for one, other in pairwise(range(start, end))
        if places[one].run == places[other].run and places[one].run.is_unspaced
    ]
    return [*clauses, *pairs]


def _get_bits(places: list[QueryTerm], start: int, end: int) -> int:
    return sum(1 << number for number in range(start, end) if places[number].is_required)
