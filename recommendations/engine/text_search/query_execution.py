"""Runs a query over an index: scores the documents of each word and its variants, and selects the matches."""

import math
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.compounds import find_loose_split
from recommendations.engine.text_search.corrections import (
    MAX_WEIGHED,
    CorrectionCandidate,
    CountPeople,
    RowWeights,
    get_max_edits,
    weigh_by_people,
)
from recommendations.engine.text_search.matches import Correction, Matches
from recommendations.engine.text_search.query import ParsedQuery, QueryClause, QueryUnit, parse_text_query
from recommendations.engine.text_search.stemmer import is_inflected, pluralize, stem_word
from recommendations.engine.text_search.synonyms import Alternative, Synonyms, TermSet, split_into_terms
from recommendations.engine.text_search.tokens import split_into_words
from recommendations.engine.text_search.vocabulary import freeze

if TYPE_CHECKING:
    from recommendations.engine.text_search.index import TextIndex

BASE_WEIGHT = 0.05  # of a document without sales, relative to the document with the most sales
OUT_OF_CONTEXT = 0.05  # share of the weight of documents without the other words of the query
COMPLETION_THRESHOLD = 10  # documents: a last word found in fewer may be the beginning of a longer word
CORRECTION_THRESHOLD = 3  # documents: a word found in fewer may be a misspelling
MAX_SHORT_WORD = 4  # letters
CORRECTION_LEAD = 20  # how much more frequent the correction of a word with matches must be
HEAD_LEVELS = 3  # a word counts two levels, the head of the query five
MIN_FULL_MATCHES = 5  # documents with all words; below it, documents with some of them follow
# Weights relative to an exact word match.
COMPLETION_FACTOR = 0.7
ONE_EDIT_FACTOR = 0.6
TWO_EDITS_FACTOR = 0.35
STEM_FACTOR = 0.8
CHARACTER_FACTOR = 0.2
MAX_KEPT_MATCHES = 4  # of one query, with different filters


@dataclass(frozen=True)
class WordChoice:
    """How to choose between corrections.

    weights: of documents, such as their sales; by default all are equal. count_people: how many people searched for a word before.
    corrects: whether words may be misspelled at all.
    """

    weights: RowWeights | None = None
    count_people: CountPeople | None = None
    corrects: bool = field(default=True, kw_only=True)


DEFAULT_CHOICE = WordChoice()


class ScoredQuery:
    """A query that scores all documents once strictly and, if needed, once relaxed; threads may share it."""

    def __init__(self, index: "TextIndex", text: str, synonyms: Synonyms, choice: WordChoice = DEFAULT_CHOICE) -> None:
        self.index, self.synonyms, self.choice = index, synonyms, choice
        self.query = parse_text_query(text, synonyms, index.count_documents)
        self.exact = index.find_key(text)
        self._runs: dict[bool, QueryRun] = {}
        self._lock = threading.Lock()
        self._matches: dict[int, tuple[weakref.ref[Flags], Matches]] = {}  # by the id of the allowed rows
        self._rows: tuple[Callable[[], Flags | None], Rows] = (lambda: None, self.exact)
        if self.query.terms:
            self._run(relaxed=False)

    @property
    def size(self) -> int:
        """Return the memory of the scored documents and of the cached rows and matches, in units of 16 bytes."""
        n_kept = 2 * sum(len(matches.rows) for _allowed, matches in list(self._matches.values()))
        return sum(len(run.rows) for run in list(self._runs.values())) + len(self._rows[1]) // 4 + n_kept

    def find_matches(self, allowed: Flags | None = None) -> Matches:
        """Return the matches as `TextIndex.search` does; cached by the array `allowed`, which must never be modified."""
        kept = self._matches.get(id(allowed))
        if kept is not None and kept[0]() is allowed:  # an id may be reused after its array is gone
            return kept[1]
        matches = self._find_matches(allowed)
        if allowed is not None:
            if len(self._matches) >= MAX_KEPT_MATCHES:
                self._matches.clear()
            self._matches[id(allowed)] = weakref.ref(allowed), matches
        return matches

    def _find_matches(self, allowed: Flags | None) -> Matches:
        allowed = np.ones(len(self.index), np.bool_) if allowed is None else np.ascontiguousarray(allowed)
        exact = self._find_exact(allowed)
        if not self.query.terms:
            ones = np.ones(len(exact), np.int64)
            return Matches(exact, np.ones(len(exact), np.float32), ones, 1, exact, levels=ones, full_level=1)
        documents, last_run = self._find_documents(allowed)
        return documents.build_matches(exact, last_run)

    def find_rows(self, allowed: Flags) -> Rows:
        """Return the rows of `find_matches` without their scores; cached for the array `allowed`, which must never be modified."""
        allowed_before, known = self._rows
        if allowed_before() is allowed:
            return known
        rows = self._find_rows(allowed)
        # a weak reference, because otherwise outdated arrays would stay in memory as long as the queries
        self._rows = weakref.ref(allowed), rows
        return rows

    def _find_rows(self, allowed: Flags) -> Rows:
        exact = self._find_exact(allowed)
        if not self.query.terms:
            return exact
        documents, _last_run = self._find_documents(allowed)
        rows = documents.run.rows[documents.positions]
        return np.union1d(rows, exact).astype(np.int32) if len(exact) else rows

    def _find_exact(self, allowed: Flags) -> Rows:
        return self.exact[allowed[self.exact]] if len(self.exact) else self.exact

    def _find_documents(self, allowed: Flags) -> "tuple[MatchingDocuments, QueryRun]":
        """Return the allowed documents of the run that matches more words, and the run whose corrections the visitor sees."""
        run = self._run(relaxed=False)
        documents = run.find_documents(allowed)
        if documents.max_covered < run.n_required:
            # A relaxed run costs a scan of the vocabulary per word, so it is started only where the strict one falls short.
            run = self._run(relaxed=True)
            relaxed = run.find_documents(allowed)
            documents = relaxed if relaxed.max_covered > documents.max_covered else documents
        return documents, run

    def _run(self, *, relaxed: bool) -> "QueryRun":
        with self._lock:
            run = self._runs.get(relaxed)
            if run is None:
                run = self._runs[relaxed] = self._start_run(relaxed=relaxed)
        return run

    def _start_run(self, *, relaxed: bool) -> "QueryRun":
        strict = self._runs.get(False)
        query, corrected, corrections = (
            (self.query, None, ()) if strict is None else (strict.query, strict.corrected, strict.corrections)
        )
        execution = self._execute(query, relaxed=relaxed)
        if corrected is None and (corrected := execution.build_corrected_query()):
            # the corrected query is what is searched: it may have synonyms and compound words
            corrections = execution.list_corrections()
            query = parse_text_query(corrected, self.synonyms, self.index.count_documents)
            execution = self._execute(query, relaxed=relaxed)
        return execution.build_run(corrected, corrections)

    def _execute(self, query: ParsedQuery, *, relaxed: bool) -> "QueryExecution":
        return QueryExecution(self.index, query, self.synonyms, self.choice).run(relaxed=relaxed)


class PostingRange(NamedTuple):
    """A range of postings in a segment, and the weight of a match among them."""

    segment: int
    start: int
    end: int
    factor: float


type PostingSpan = tuple[npt.NDArray[np.int32], int, int]  # documents, and the first and last of them to read


class QueryExecution:
    """One run of a query over an index: arrays with an entry per document, and the terms searched.

    best: the largest impact of the current clause, reset to 0 after it. total: the score so far. covered_terms: bits of the query terms covered.
    """

    def __init__(
        self, index: "TextIndex", query: ParsedQuery, synonyms: Synonyms, choice: WordChoice = DEFAULT_CHOICE
    ) -> None:
        n = len(index)
        self.index, self.query, self.synonyms, self.choice = index, query, synonyms, choice
        self.best = np.zeros(n, np.float32)
        self.total = np.zeros(n, np.float32)
        self.covered_terms = np.zeros(n, np.uint64)
        self.unit_total = np.zeros(0, np.float32)  # of a unit with several clauses; zeros between them
        self.n_matched, self.least = np.zeros(0, np.int16), np.zeros(0, np.float32)
        self.words: set[str] = set()
        self.prefixes: list[str] = []
        self.corrections: dict[int, Correction] = {}
        self.misfits = 0  # bits of the words without matches of which no document has a longer form with another word

    def run(self, *, relaxed: bool) -> "QueryExecution":
        """Score all units; relaxed: words may be misspelled, and single characters of Chinese words count."""
        # Unknown words last: which correction is meant depends on the documents of the other words.
        for unit in sorted(self.query.units, key=self.is_unknown):
            self.add_unit(unit, relaxed=relaxed)
        return self

    def is_unknown(self, unit: QueryUnit) -> bool:
        return not unit.alternatives and not self.index.count_documents(unit.clauses[0].term)

    def build_run(self, corrected: str | None, corrections: tuple[Correction, ...]) -> "QueryRun":
        """Return the documents that match anything, which are usually few, without the arrays of all documents."""
        rows = np.flatnonzero(self.covered_terms).astype(np.int32)
        misfits = {
            term for correction in corrections if not correction.fits for term in split_into_terms(correction.meant)
        }
        bits = sum(1 << number for number, term in enumerate(self.query.terms) if term.term not in misfits)
        matched = int(np.bitwise_or.reduce(self.covered_terms[rows], initial=np.uint64(0)))
        return QueryRun(
            self.query,
            # a word that only resembles one of the catalog does not name the product: "jeans slim fit" means no drill bit
            self.query.find_head_bits(bits & matched & ~self.misfits),
            freeze(rows),
            freeze(self.total[rows]),
            freeze(self.covered_terms[rows]),
            frozenset(self.words),
            tuple(self.prefixes),
            corrected,
            corrections,
        )

    def build_corrected_query(self) -> str | None:
        """Return the query with its corrections, None without any."""
        if not self.corrections:
            return None
        text = self.query.text
        for position in sorted(self.corrections, reverse=True):  # from the end, so that earlier positions stay valid
            run = self.query.terms[position].run
            text = text[: run.start] + self.corrections[position].meant + text[run.end :]
        return text

    def list_corrections(self) -> tuple[Correction, ...]:
        """Return the corrections in the order of the query."""
        return tuple(self.corrections[position] for position in sorted(self.corrections))

    def add_unit(self, unit: QueryUnit, *, relaxed: bool) -> None:
        """Add the score of a unit in each document to the totals."""
        if len(unit.clauses) == 1:
            clause = unit.clauses[0]
            is_known = bool(self.synonyms.find_others(clause.term))  # a word of the synonyms is no misspelling
            self.add_clause(clause, unit.alternatives, relaxed=relaxed, total=self.total, is_known=is_known)
            return
        # An alternative replaces all clauses of the unit, so a document gets the larger of their sum and the alternative.
        if not len(self.unit_total):
            self.unit_total = np.zeros(len(self.index), np.float32)
        total, spans = self.unit_total, list[PostingSpan]()
        # a name with synonyms is no misspelling, although the index may lack its words: pain reliever
        is_known = any(all(map(self.index.count_documents, terms)) for terms, _factor in unit.alternatives)
        idf_sum = sum(
            self.add_clause(clause, (), relaxed=relaxed, total=total, is_known=is_known, spans=spans)
            for clause in unit.clauses
        )
        for terms, factor in unit.alternatives:
            _n_new, raised = self.raise_alternative(terms, factor)
            spans += raised
        idf, covers = np.float32(idf_sum), np.uint64(unit.covers)
        for docs, start, end in spans:
            kernels.raise_totals(docs, start, end, idf, covers, self.best, total, self.covered_terms)
        for docs, start, end in spans:
            kernels.move_scores(docs, start, end, total, self.total)

    def add_clause(
        self,
        clause: QueryClause,
        alternatives: Sequence[Alternative],
        *,
        relaxed: bool,
        total: npt.NDArray[np.float32],
        is_known: bool = False,
        spans: "list[PostingSpan] | None" = None,
    ) -> float:
        """Add idf · the best impact of each document for the clause; return the idf.

        is_known: no misspelling. spans: to extend by the postings of all documents with a score.
        """
        if clause.is_single_character and not relaxed:
            return 0.0
        ranges = self.find_ranges(clause.term, CHARACTER_FACTOR if clause.is_single_character else 1.0)
        count = self.raise_ranges(ranges)
        self.words.add(clause.term)
        raised: list[PostingSpan] = []
        for terms, factor in alternatives:
            n_new, more = self.raise_alternative(terms, factor)
            count += n_new
            if len(terms) == 1:
                ranges += self.find_ranges(terms[0], factor)
            else:
                raised += more
        if clause.is_word:
            count += self.add_word_variants(clause, ranges, count, relaxed=relaxed, is_known=is_known)
        idf, covers = np.float32(self.compute_idf(count)), np.uint64(clause.covers)
        raised += [self.get_span(posting_range) for posting_range in ranges]
        for docs, start, end in raised:
            kernels.add_scores(docs, start, end, idf, covers, self.best, total, self.covered_terms)
        if spans is not None:
            spans += raised
        return float(idf)

    def get_span(self, posting_range: PostingRange) -> PostingSpan:
        return self.index.segments[posting_range.segment].docs, posting_range.start, posting_range.end

    def raise_alternative(self, terms: TermSet, factor: float) -> tuple[int, list[PostingSpan]]:
        """Raise the best impacts of documents with all terms; return how many had none before, and the postings raised."""
        if len(terms) > 1:
            return self.raise_to_all_terms(terms, factor)
        self.words.add(terms[0])
        ranges = self.find_ranges(terms[0], factor)
        return self.raise_ranges(ranges), [self.get_span(posting_range) for posting_range in ranges]

    def add_word_variants(
        self, clause: QueryClause, ranges: list[PostingRange], count: int, *, relaxed: bool, is_known: bool
    ) -> int:
        """Add the postings of other forms, of longer words and of corrections; return how many documents are new.

        is_known: the word is no misspelling.
        """
        n_new = self.raise_more(ranges, self.find_inflections(clause.term, STEM_FACTOR))
        has_no_match = count + n_new == 0
        # a typed plural without matches is no beginning of another word
        may_be_longer = clause.is_unfinished and (not has_no_match or not self.is_plural(clause))
        if may_be_longer and count + n_new < COMPLETION_THRESHOLD:
            completions = self.find_ranges(clause.term, COMPLETION_FACTOR, prefix=True)
            n_completed = self.raise_more(ranges, completions)
            self.prefixes.append(clause.term)
            n_new += n_completed
            if has_no_match and n_completed and clause.covers and self.choice.corrects and not is_known:
                # a word that few others begin with, such as peper (peperoncini), is more likely a misspelling of a frequent one
                best = self.find_correction(clause, has_no_match=True)
                if best is not None and self.is_much_heavier(best, completions):
                    return n_new + self.raise_more(ranges, self.apply_correction(clause, best, is_certain=True))
            if has_no_match and n_completed and not self.is_in_context(completions):
                self.misfits |= clause.covers
            has_no_match = has_no_match and not n_completed
        if is_known or not clause.covers or not self.choice.corrects:  # an optional word is not worth a correction
            return n_new
        if relaxed or count + n_new < CORRECTION_THRESHOLD:
            best = self.find_correction(clause, has_no_match=has_no_match)
            if best is not None and (has_no_match or self.is_much_heavier(best, ranges)):
                n_new += self.raise_more(ranges, self.apply_correction(clause, best, is_certain=has_no_match))
            elif best is None and has_no_match:
                self.split_clause(clause)
        return n_new

    def split_clause(self, clause: QueryClause) -> None:
        """Correct a word without matches into two words of the index, such as papertowls into paper towel."""
        run = self.query.terms[clause.position].run
        if split_into_words(run.text) != [clause.term]:
            return

        def find_near(word: str) -> Sequence[CorrectionCandidate]:
            return self.find_near_words(word, 1)

        if parts := find_loose_split(clause.term, self.index.count_documents, self.index.count_together, find_near):
            first, second = parts
            meant = f"{first} {pluralize(second) if self.is_plural(clause) else second}"
            self.corrections[clause.position] = Correction(run.text, meant, any(map(self.fits_other_words, parts)))

    def is_much_heavier(self, candidate: CorrectionCandidate, ranges: Sequence[PostingRange]) -> bool:
        """Return whether a correction is so much more frequent than the typed word that it was probably meant."""
        weight = sum(self.weigh_range(posting_range, in_context=True) for posting_range in ranges)
        return candidate.weight > CORRECTION_LEAD * weight

    def raise_more(self, ranges: list[PostingRange], more: Sequence[PostingRange]) -> int:
        ranges += more
        return self.raise_ranges(more)

    def is_plural(self, clause: QueryClause) -> bool:
        """Return whether the word of a clause was typed as a plural."""
        text = self.query.terms[clause.position].run.text
        return text != clause.term and text.endswith("s")

    def is_odd_plural(self, word: str) -> bool:
        """Return whether an unknown word ends like a misspelled plural, such as egss; the index has singulars only."""
        return len(word) > 3 and word.endswith("s")

    def find_inflections(self, word: str, factor: float) -> list[PostingRange]:
        """Return the postings of the other words with the same stem."""
        stem = stem_word(word)
        ranges = []
        for number, segment in enumerate(self.index.segments):
            for term in segment.find_terms_with_stem(stem):
                text = segment.vocabulary.get_term(term)
                # a final e alone does not make two words one: plan and plane
                if text != word and (is_inflected(text) or is_inflected(word)):
                    self.words.add(text)
                    start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                    ranges.append(PostingRange(number, start, end, factor))
        return ranges

    def compute_idf(self, count: int) -> float:
        """Return the inverse document frequency of a term in ``count`` documents."""
        return math.log(1 + (self.index.n_live - count + 0.5) / (count + 0.5)) if count <= self.index.n_live else 0.0

    def find_ranges(self, term: str, factor: float, *, prefix: bool = False) -> list[PostingRange]:
        """Return the postings of a term (or of all terms with this prefix), which are contiguous in each segment."""
        ranges = []
        for number, segment in enumerate(self.index.segments):
            if prefix:
                first, last = segment.vocabulary.find(term, prefix=True)
                start, end = int(segment.indptr[first]), int(segment.indptr[last])
            else:
                start, end = segment.find_postings(term)
            if end > start:
                ranges.append(PostingRange(number, start, end, factor))
        return ranges

    def raise_ranges(self, ranges: Sequence[PostingRange]) -> int:
        """Raise the best impacts; return how many documents had none for the clause before."""
        n_new = 0
        for posting_range in ranges:
            segment = self.index.segments[posting_range.segment]
            n_new += kernels.raise_best(
                segment.docs,
                segment.impacts,
                posting_range.start,
                posting_range.end,
                np.float32(posting_range.factor),
                self.index.owner,
                posting_range.segment,
                self.best,
            )
        return n_new

    def raise_to_all_terms(self, terms: TermSet, weight: float) -> tuple[int, list[PostingSpan]]:
        """Raise the best impacts of documents with all terms; return how many had none before, and which are raised."""
        n_new, spans = 0, list[PostingSpan]()
        self.words |= set(terms)
        for number, segment in enumerate(self.index.segments):
            numbers = [segment.vocabulary.find(term) for term in terms]
            if not all(last > first for first, last in numbers):
                continue
            if not len(self.n_matched):
                self.n_matched = np.zeros(len(self.index), np.int16)
                self.least = np.empty(len(self.index), np.float32)
            starts = segment.indptr[[first for first, _ in numbers]]
            ends = segment.indptr[[last for _, last in numbers]]
            raised = np.empty(int((ends - starts).min()), np.int32)
            n_more, n_raised = kernels.raise_best_of_all(
                segment.docs,
                segment.impacts,
                starts,
                ends,
                np.float32(weight),
                self.index.owner,
                number,
                self.best,
                self.n_matched,
                self.least,
                raised,
            )
            n_new += n_more
            spans.append((freeze(raised), 0, n_raised))
        return n_new, spans

    def find_correction(self, clause: QueryClause, *, has_no_match: bool) -> CorrectionCandidate | None:
        """Return the word that was most likely meant, or a longer word that begins similarly."""
        word = clause.term
        max_edits = get_max_edits(word, has_no_match=has_no_match)
        candidates = self.find_near_words(word, max_edits) if max_edits else []
        if max_edits and self.is_odd_plural(word):
            candidates += self.find_near_words(word[:-1], max_edits)
        if not candidates and clause.is_unfinished and max_edits and len(word) > 3 and has_no_match:
            candidates = self.find_near_words(word, 1, prefix=True)
        if len(word) <= MAX_SHORT_WORD:
            # short words resemble many others: fit is not bit, unless a product has it with another word of the query
            candidates = [candidate for candidate in candidates if self.fits_other_words(candidate.word)]
        return max(candidates, key=lambda candidate: (candidate.rate(word), candidate.word), default=None)

    def fits_other_words(self, word: str) -> bool:
        """Return whether a document has the word, or a synonym of it, with another word of the query; true if no document has another word."""
        names = [(word,), *(terms for terms, _factor in self.synonyms.find_others(word))]
        return any(all(self.is_in_context(self.find_ranges(term, 1.0)) for term in terms) for terms in names)

    def is_in_context(self, ranges: Sequence[PostingRange]) -> bool:
        """Return whether a document of the postings has another word of the query; true if no document has another word."""
        if not self.covered_terms.any():
            return True
        return any(
            bool(self.covered_terms[docs[self.index.owner[docs] == number]].any())
            for number, start, end, _factor in ranges
            for docs in (self.index.segments[number].docs[start:end],)
        )

    def apply_correction(
        self, clause: QueryClause, best: CorrectionCandidate, *, is_certain: bool
    ) -> list[PostingRange]:
        """Return the postings of a correction; is_certain: the query is shown with the correction."""
        self.words.add(best.word)
        run = self.query.terms[clause.position].run
        # A part of a hyphenated run has no position of its own, so only a whole run can be replaced in the query.
        if is_certain and split_into_words(run.text) == [clause.term]:
            meant = pluralize(best.word) if self.is_plural(clause) else best.word
            self.corrections[clause.position] = Correction(run.text, meant, self.fits_other_words(best.word))
        factor = ONE_EDIT_FACTOR if best.edits == 1 else TWO_EDITS_FACTOR
        return [*self.find_ranges(best.word, factor), *self.find_inflections(best.word, factor * STEM_FACTOR)]

    def find_near_words(self, word: str, max_edits: int, *, prefix: bool = False) -> list[CorrectionCandidate]:
        """Return the near words that a document contains, with their weights; of many, only the nearest and most used."""
        edits: dict[str, int] = {}
        counts: dict[str, int] = {}
        spans: dict[str, list[PostingRange]] = {}
        for number, segment in enumerate(self.index.segments):
            for term, distance in segment.vocabulary.find_near(word, max_edits=max_edits, prefix=prefix):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if live := kernels.count_live(segment.docs, start, end, self.index.owner, number):
                    text = segment.vocabulary.get_term(term)
                    edits[text] = distance
                    counts[text] = counts.get(text, 0) + live
                    spans.setdefault(text, []).append(PostingRange(number, start, end, 1.0))
        if not prefix:
            counts |= self.find_near_names(word, max_edits, edits, spans)
        most_used = sorted(counts, key=lambda text: (edits[text], -counts[text], text))[:MAX_WEIGHED]
        candidates = [
            CorrectionCandidate(text, edits[text], sum(self.weigh_range(span, in_context=True) for span in spans[text]))
            for text in most_used
        ]
        if self.choice.count_people is None:
            return candidates
        others = frozenset(term.term for term in self.query.terms if term.is_required and term.term != word)
        return weigh_by_people(candidates, self.choice.count_people, others)

    def find_near_names(
        self, word: str, max_edits: int, edits: dict[str, int], spans: dict[str, list[PostingRange]]
    ) -> dict[str, int]:
        """Return the document counts of near words that have synonyms; add the words' edits and postings to `edits` and `spans`."""
        vocabulary, counts = self.synonyms.vocabulary, {}
        for term, distance in vocabulary.find_near(word, max_edits=max_edits) if len(vocabulary) else ():
            text = vocabulary.get_term(term)
            ranges = [
                posting_range
                for terms, _factor in self.synonyms.find_others(text)
                if all(map(self.index.count_documents, terms))
                for posting_range in self.find_ranges(min(terms, key=self.index.count_documents), 1.0)
            ]
            if text not in spans and ranges:
                edits[text], spans[text] = distance, ranges
                counts[text] = sum(posting_range.end - posting_range.start for posting_range in ranges)
        return counts

    def weigh_range(self, posting_range: PostingRange, *, in_context: bool = False) -> float:
        """Return the weight of the live documents of postings; in_context: those with other words of the query count most."""
        docs = self.index.segments[posting_range.segment].docs[posting_range.start : posting_range.end]
        docs = docs[self.index.owner[docs] == posting_range.segment]
        weights_of = self.choice.weights
        weights = BASE_WEIGHT + (weights_of(docs) if weights_of is not None else np.zeros(len(docs)))
        if in_context and self.covered_terms.any():
            weights = weights * np.where(self.covered_terms[docs] > 0, 1.0, OUT_OF_CONTEXT)
        return float(weights.sum())


@dataclass(frozen=True, eq=False)
class QueryRun:
    """The documents that match anything, in ascending order: their scores, and bits of the query terms that each covers.

    query: what was searched, with the corrections; corrected: the text with the corrections, None without any.
    head_bits: of the word that names the product.
    """

    query: ParsedQuery
    head_bits: int
    rows: Rows
    scores: npt.NDArray[np.float32]
    covered_terms: npt.NDArray[np.uint64]
    words: frozenset[str]
    prefixes: tuple[str, ...]
    corrected: str | None
    corrections: tuple[Correction, ...]

    @cached_property
    def n_required(self) -> int:
        return self.query.required_bits.bit_count()

    def find_documents(self, allowed: Flags) -> "MatchingDocuments":
        """Return the allowed documents with the most query terms, and with fewer if these are not enough."""
        positions, n_covered = np.empty(len(self.rows), np.int32), np.empty(len(self.rows), np.int64)
        count, max_covered = kernels.select_matches(
            self.rows, self.covered_terms, allowed, self.n_required, MIN_FULL_MATCHES, positions, n_covered
        )
        return MatchingDocuments(self, positions[:count], n_covered[:count], max_covered)

    def find_positions(self, rows: Rows) -> tuple[Rows, Flags]:
        """Return the positions of documents, and whether they match anything."""
        positions = np.searchsorted(self.rows, rows).astype(np.int32)
        is_known = positions < len(self.rows)
        is_known[is_known] = self.rows[positions[is_known]] == rows[is_known]
        return positions, is_known


@dataclass(frozen=True, eq=False)
class MatchingDocuments:
    """Documents by their positions in a run, with the number of query terms each covers; max_covered: the largest of these numbers."""

    run: QueryRun
    positions: Rows
    n_covered: npt.NDArray[np.int64]
    max_covered: int

    def build_matches(self, exact: Rows, last_run: QueryRun) -> Matches:
        """Return the matches; exact: rows to add; last_run: the run whose corrections the visitor sees."""
        run = self.run
        rows, scores, n_covered = run.rows[self.positions], run.scores[self.positions], self.n_covered
        covered = run.covered_terms[self.positions]
        if len(exact):
            rows = np.union1d(rows, exact).astype(np.int32)
            positions, is_known = run.find_positions(rows)
            scores, covered = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.uint64)
            scores[is_known] = run.scores[positions[is_known]]
            covered[is_known] = run.covered_terms[positions[is_known]]
            n_covered = np.bitwise_count(covered).astype(np.int64)
            scores[np.searchsorted(rows, exact)] = max(float(scores.max()), 1.0)
        head = np.uint64(run.head_bits)
        return Matches(
            rows,
            scores,
            n_covered,
            run.n_required,
            exact,
            run.words,
            run.prefixes,
            last_run.corrected,
            last_run.corrections,
            levels=2 * n_covered + HEAD_LEVELS * ((covered & head) > 0),
            full_level=2 * run.n_required + HEAD_LEVELS * int(head > 0),
        )
