"""A typed text as what to look for: places, the clauses that cover them, and what else may stand for some of them."""

from dataclasses import dataclass
from itertools import pairwise

from recommendations.engine.text_search.synonyms import Synonyms, Together
from recommendations.engine.text_search.tokens import Run, in_one, is_unspaced, normal, runs, words

MOST_PLACES = 64  # a bit each; what is typed after that is not looked for
# may be missing from a document, and are looked for alone only where nothing else was typed
STOP_WORDS = frozenset(
    "a an and are as at be by for from in is it of on or that the this to with 的 了 和 与 之 是".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Place:
    """A word, or one character of what is written without spaces; run: where in the normal text it was typed."""

    term: str
    run: Run
    needed: bool = True


@dataclass(frozen=True)
class Clause:
    """One term to look for; covers: the bits of the places that a document with it has answered.

    unfinished: longer words count too. of_pieces: a single character of a longer run, worth looking for only where nothing else helps.
    """

    term: str
    covers: int
    place: int
    unfinished: bool = False
    of_pieces: bool = False

    @property
    def is_word(self) -> bool:
        return not is_unspaced(self.term)


@dataclass(frozen=True)
class Unit:
    """Clauses whose worths add up, or instead of all of them one of the others."""

    clauses: tuple[Clause, ...]
    others: tuple[Together, ...] = ()
    covers: int = 0


@dataclass(frozen=True)
class Query:
    text: str  # as `normal` has it
    places: tuple[Place, ...]
    units: tuple[Unit, ...]

    @property
    def all_places(self) -> int:
        return sum(1 << number for number, place in enumerate(self.places) if place.needed)


def read(text: str, synonyms: Synonyms) -> Query:
    """Of any text; no places where it holds no letter and no digit."""
    whole = normal(text)
    found: list[Place] = []
    hyphened: dict[int, tuple[int, str]] = {}  # first place → (place after the last, the word in one)
    for run in runs(whole):
        terms = list(run.text) if run.unspaced else words(run.text)
        if not run.unspaced and (joined := in_one(run.text)) and len(found) + len(terms) <= MOST_PLACES:
            hyphened[len(found)] = (len(found) + len(terms), joined)
        found += [Place(term, run) for term in terms]
    found = found[:MOST_PLACES]
    if any(place.term not in STOP_WORDS for place in found):
        found = [Place(place.term, place.run, place.term not in STOP_WORDS) for place in found]
    unfinished = bool(found) and found[-1].run.end == len(whole) and not found[-1].run.unspaced
    return Query(whole, tuple(found), tuple(_units(found, hyphened, synonyms, unfinished=unfinished)))


def _units(
    places: list[Place], hyphened: dict[int, tuple[int, str]], synonyms: Synonyms, *, unfinished: bool
) -> list[Unit]:
    """Longest names that have synonyms first, from the left; between them words, and rows of unspaced characters."""
    atoms = tuple(place.term for place in places)
    units: list[Unit] = []
    start = loose = 0
    while start < len(places):
        end, others = next(synonyms.at(atoms, start), (start, []))
        if start in hyphened and hyphened[start][0] >= end:
            end, others = hyphened[start][0], [*others, (hyphened[start][1],)]
        if end == start:
            start += 1
            continue
        units += [Unit((clause,)) for clause in _clauses(places, loose, start, unfinished=False)]
        clauses = tuple(_clauses(places, start, end, unfinished=unfinished))
        units.append(Unit(clauses, tuple(others), _bits(places, start, end)))
        start = loose = end
    return [*units, *(Unit((clause,)) for clause in _clauses(places, loose, len(places), unfinished=unfinished))]


def _clauses(places: list[Place], start: int, end: int, *, unfinished: bool) -> list[Clause]:
    """Of a row of n unspaced characters the n - 1 pairs of neighbours, each covering both, and the characters for hard cases."""
    found: list[Clause] = []
    for number in range(start, end):
        place = places[number]
        if not place.run.unspaced:
            last = unfinished and number == len(places) - 1
            found.append(Clause(place.term, _bits(places, number, number + 1), number, unfinished=last))
            continue
        alone = len([other for other in places[start:end] if other.run == place.run]) == 1
        found.append(Clause(place.term, _bits(places, number, number + 1), number, of_pieces=not alone))
    pairs = [
        Clause(places[one].term + places[other].term, _bits(places, one, other + 1), one)
        for one, other in pairwise(range(start, end))
        if places[one].run == places[other].run and places[one].run.unspaced
    ]
    return [*found, *pairs]


def _bits(places: list[Place], start: int, end: int) -> int:
    return sum(1 << number for number in range(start, end) if places[number].needed)
