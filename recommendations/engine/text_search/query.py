"""Parses a query into terms, the clauses that cover them, and their alternatives."""

from dataclasses import dataclass, field
from itertools import islice, pairwise, takewhile

from recommendations.engine.text_search.compounds import (
    MAX_MODEL_PARTS,
    CountDocuments,
    find_joined,
    find_joined_model,
    find_model_splits,
    find_split,
)
from recommendations.engine.text_search.heads import find_head
from recommendations.engine.text_search.synonyms import Alternative, Synonyms, TermSet
from recommendations.engine.text_search.tokens import (
    TextRun,
    is_unspaced,
    iterate_runs,
    join_hyphenated,
    normalize,
    split_into_words,
)

LITERAL_FACTOR = 1.0  # of another spelling of the typed words: icecream
MAX_TERMS = 64  # one bit each; further terms are ignored
# optional in a document; searched only if the query has no other words
STOP_WORDS = frozenset(
    "a affordable an and any are as at be best buy by cheap cheapest find for from get good i in inexpensive is it looking me my need of on or please price "  # noqa: SIM905, E501
    "show some that the these this to want with 的 了 和 与 之 是".split()
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
    alternatives: tuple[Alternative, ...] = ()
    covers: int = 0


@dataclass(frozen=True)
class ParsedQuery:
    """A query as terms and units; text: normalized."""

    text: str
    terms: tuple[QueryTerm, ...]
    units: tuple[QueryUnit, ...]

    def find_head_bits(self, bits: int) -> int:
        """Return the bit of the word that names the product, among the terms with these bits; 0 without one."""
        may_be_head = [term.is_required and bool(bits >> number & 1) for number, term in enumerate(self.terms)]
        head = find_head([term.term for term in self.terms], may_be_head)
        return 0 if head is None else 1 << head

    @property
    def required_bits(self) -> int:
        """Return the bits of the required terms."""
        return sum(1 << number for number, term in enumerate(self.terms) if term.is_required)


def count_nothing(_term: str) -> int:
    return 0


def parse_text_query(text: str, synonyms: Synonyms, count: CountDocuments = count_nothing) -> ParsedQuery:
    """Parse any text; a text without letters and digits gives a query without terms.

    count: the number of documents with a term, to recognize compound words.
    """
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
        tuple(_UnitBuilder(query_terms, hyphenated, synonyms, count, is_unfinished=is_unfinished).build()),
    )


@dataclass(frozen=True)
class _UnitBuilder:
    """Builds units from left to right: longest names with synonyms first; between them words and unspaced runs."""

    query_terms: list[QueryTerm]
    hyphenated: dict[int, tuple[int, str]]
    synonyms: Synonyms
    count: CountDocuments
    is_unfinished: bool = field(kw_only=True)

    def build(self) -> list[QueryUnit]:
        query_terms = self.query_terms
        atoms = tuple(term.term for term in query_terms)
        units: list[QueryUnit] = []
        start = pending = 0  # pending: the first term that is in no unit yet
        while start < len(query_terms):
            end, alternatives = self.find_alternatives(atoms, start)
            if end == start:
                start += 1
                continue
            units += [
                QueryUnit((clause,)) for clause in _build_clauses(query_terms, pending, start, is_unfinished=False)
            ]
            clauses = tuple(_build_clauses(query_terms, start, end, is_unfinished=self.is_unfinished))
            units.append(QueryUnit(clauses, tuple(alternatives), _get_bits(query_terms, start, end)))
            start = pending = end
        rest = _build_clauses(query_terms, pending, len(query_terms), is_unfinished=self.is_unfinished)
        return [*units, *(QueryUnit((clause,)) for clause in rest)]

    def find_alternatives(self, atoms: tuple[str, ...], start: int) -> tuple[int, list[Alternative]]:
        """Return the end of the longest name that begins at `start`, and its alternatives; start itself without any."""
        end, alternatives = next(
            ((end, others) for end, others in self.synonyms.find_at(atoms, start) if self.is_name(start, end)),
            (start, []),
        )
        if start in self.hyphenated and self.hyphenated[start][0] >= end:
            end, joined_word = self.hyphenated[start]
            spellings = [(joined_word,), *find_model_splits(joined_word, self.count)]
            return end, [*alternatives, *(Alternative(terms, LITERAL_FACTOR) for terms in spellings)]
        if end > start + 1 or self.query_terms[start].run.is_unspaced:
            return end, alternatives
        first = self.query_terms[start]
        if joined := self.find_joined_with_next(start):
            return start + 2, [Alternative(joined, LITERAL_FACTOR), *self.find_exact_name(joined)]
        if model := self.find_model(start):
            n_words, word = model
            return start + n_words, [Alternative((word,), LITERAL_FACTOR), *self.find_exact_name((word,))]
        if splits := find_model_splits(first.term, self.count):
            return start + 1, [*alternatives, *(Alternative(terms, LITERAL_FACTOR) for terms in splits)]
        if not alternatives and not self.count(first.term):
            split = self.synonyms.joined_names.get(first.term) or find_split(first.term, self.count)
            if split:
                return start + 1, [Alternative(split, LITERAL_FACTOR), *self.find_exact_name(split)]
        return end, alternatives

    def find_joined_with_next(self, start: int) -> TermSet | None:
        """Return a term and the next as one word that the index has."""
        first, following = self.query_terms[start], self.query_terms[start + 1 : start + 2]
        if not following or not first.is_required or not following[0].is_required:
            return None
        joined = find_joined(first.run.text, following[0].run.text, self.count_known)
        # an s that begins a model number is no ending: galaxy s 24
        return None if joined == (first.term,) and self.find_model(start + 1) else joined

    def find_model(self, start: int) -> tuple[int, str] | None:
        """Return how many terms from `start` on are one model number of the index, and this; None if none are."""
        terms = takewhile(lambda term: term.is_required and not term.run.is_unspaced, self.query_terms[start:])
        return find_joined_model([term.run.text for term in islice(terms, MAX_MODEL_PARTS)], self.count)

    def count_known(self, term: str) -> int:
        """Return the number of documents with a term; a name with synonyms counts too."""
        return self.count(term) or len(self.synonyms.find_others(term))

    def is_name(self, start: int, end: int) -> bool:
        """Return whether terms may be a name.

        One character within a longer unspaced word is not a name, such as 蓝 in 蓝牙, unless no document has any two neighboring characters
        of the word, as with 绿茶 in an English catalog.
        """
        run = self.query_terms[start].run
        if end > start + 1 or not run.is_unspaced or len(run.text) == 1:
            return True
        return not any(self.count(first + second) for first, second in pairwise(run.text))

    def find_exact_name(self, atoms: tuple[str, ...]) -> list[Alternative]:
        """Return the alternatives of the name that consists of the atoms."""
        return [other for end, others in self.synonyms.find_at(atoms, 0) if end == len(atoms) for other in others]


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
