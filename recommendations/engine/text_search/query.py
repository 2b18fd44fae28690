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
    """One term to search; covers: the bits of the query terms that a document with it covers; position: of its query term.

    is_unfinished: longer words match too. is_single_character: one character of a longer run, used only if nothing else matches.
    """

    term: str
    covers: int
    position: int
    is_unfinished: bool = False
    is_single_character: bool = False

    @property
    def is_word(self) -> bool:
        return not is_unspaced(self.term)


@dataclass(frozen=True)
class QueryUnit:
    """Clauses with scores that add up, or one of the alternatives instead of all of them."""

    clauses: tuple[QueryClause, ...]
    alternatives: tuple[TermSet, ...] = ()
    covers: int = 0


@dataclass(frozen=True)
class ParsedQuery:
    """A query as terms and units; text: normalized."""

    text: str
    terms: tuple[QueryTerm, ...]
    units: tuple[QueryUnit, ...]

    @property
    def required_bits(self) -> int:
        """Return the bits of the required terms."""
        return sum(1 << number for number, term in enumerate(self.terms) if term.is_required)


def parse_text_query(text: str, synonyms: Synonyms) -> ParsedQuery:
    """Parse any text; the query has no terms without letters and digits."""
    normalized = normalize(text)
    query_terms: list[QueryTerm] = []
    hyphenated: dict[int, tuple[int, str]] = {}  # first term → (term after the last, the joined word)
    for run in iterate_runs(normalized):
        terms = list(run.text) if run.is_unspaced else split_into_words(run.text)
        if not run.is_unspaced and (joined := join_hyphenated(run.text)) and len(query_terms) + len(terms) <= MAX_TERMS:
            hyphenated[len(query_terms)] = (len(query_terms) + len(terms), joined)
        query_terms += [QueryTerm(term, run) for term in terms]
    query_terms = query_terms[:MAX_TERMS]
    if any(query_term.term not in STOP_WORDS for query_term in query_terms):
        query_terms = [
            QueryTerm(query_term.term, query_term.run, query_term.term not in STOP_WORDS) for query_term in query_terms
        ]
    is_unfinished = (
        bool(query_terms) and query_terms[-1].run.end == len(normalized) and not query_terms[-1].run.is_unspaced
    )
    return ParsedQuery(
        normalized,
        tuple(query_terms),
        tuple(_build_units(query_terms, hyphenated, synonyms, is_unfinished=is_unfinished)),
    )


def _build_units(
    query_terms: list[QueryTerm], hyphenated: dict[int, tuple[int, str]], synonyms: Synonyms, *, is_unfinished: bool
) -> list[QueryUnit]:
    """Build units from left to right: longest names with synonyms first; between them words and unspaced runs."""
    atoms = tuple(term.term for term in query_terms)
    units: list[QueryUnit] = []
    start = pending = 0  # pending: the first term that is in no unit yet
    while start < len(query_terms):
        end, alternatives = next(synonyms.find_at(atoms, start), (start, []))
        if start in hyphenated and hyphenated[start][0] >= end:
            end, alternatives = hyphenated[start][0], [*alternatives, (hyphenated[start][1],)]
        if end == start:
            start += 1
            continue
        units += [QueryUnit((clause,)) for clause in _build_clauses(query_terms, pending, start, is_unfinished=False)]
        clauses = tuple(_build_clauses(query_terms, start, end, is_unfinished=is_unfinished))
        units.append(QueryUnit(clauses, tuple(alternatives), _get_bits(query_terms, start, end)))
        start = pending = end
    return [
        *units,
        *(
            QueryUnit((clause,))
            for clause in _build_clauses(query_terms, pending, len(query_terms), is_unfinished=is_unfinished)
        ),
    ]


def _build_clauses(query_terms: list[QueryTerm], start: int, end: int, *, is_unfinished: bool) -> list[QueryClause]:
    """Build clauses; a run of n unspaced characters gives n - 1 pairs of neighbors, and single characters for relaxed matching."""
    clauses: list[QueryClause] = []
    for number in range(start, end):
        query_term = query_terms[number]
        if not query_term.run.is_unspaced:
            is_last = is_unfinished and number == len(query_terms) - 1
            clauses.append(
                QueryClause(query_term.term, _get_bits(query_terms, number, number + 1), number, is_unfinished=is_last)
            )
            continue
        is_alone = len([other for other in query_terms[start:end] if other.run == query_term.run]) == 1
        clauses.append(
            QueryClause(
                query_term.term, _get_bits(query_terms, number, number + 1), number, is_single_character=not is_alone
            )
        )
    pairs = [
        QueryClause(
            query_terms[first].term + query_terms[second].term, _get_bits(query_terms, first, second + 1), first
        )
        for first, second in pairwise(range(start, end))
        if query_terms[first].run == query_terms[second].run and query_terms[first].run.is_unspaced
    ]
    return [*clauses, *pairs]


def _get_bits(query_terms: list[QueryTerm], start: int, end: int) -> int:
    return sum(1 << number for number in range(start, end) if query_terms[number].is_required)
