"""Runs a query over an index: scores the documents of each word and its variants, and selects the matches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.matches import Correction, Matches
from recommendations.engine.text_search.query import ParsedQuery, QueryClause, QueryUnit, parse_text_query
from recommendations.engine.text_search.synonyms import Synonyms, TermSet
from recommendations.engine.text_search.tokens import split_into_words
from recommendations.engine.text_search.vocabulary import is_correctable

if TYPE_CHECKING:
    from recommendations.engine.text_search.index import TextIndex

COMPLETION_THRESHOLD = 10  # documents: a last word found in fewer may be the beginning of a longer word
CORRECTION_THRESHOLD = 3  # documents: a word found in fewer may be a misspelling
MIN_FULL_MATCHES = 5  # documents with all words; below it, documents with some of them follow
MAX_CORRECTIONS = 8
# Weights relative to an exact word match.
COMPLETION_FACTOR = 0.7
ONE_EDIT_FACTOR = 0.6
TWO_EDITS_FACTOR = 0.35
SYNONYM_FACTOR = 0.9
CHARACTER_FACTOR = 0.2


class ScoredQuery:
    """A query that scores all documents once strictly and, if needed, once relaxed."""

    def __init__(self, index: "TextIndex", text: str, synonyms: Synonyms) -> None:
        self.index = index
        self.query = parse_text_query(text, synonyms)
        self.exact = index.find_key(text)
        self._executions: dict[bool, QueryExecution] = {}

    def find_matches(self, allowed: Flags | None = None) -> Matches:
        """Return the matches as `TextIndex.search` does."""
        allowed = np.ones(len(self.index), np.bool_) if allowed is None else np.ascontiguousarray(allowed)
        exact = self.exact[allowed[self.exact]]
        if not self.query.terms:
            return Matches(exact, np.ones(len(exact), np.float32), np.ones(len(exact), np.int64), 1, exact)
        documents = self._run(relaxed=False).find_documents(allowed)
        if documents.max_covered < documents.execution.n_required:
            # A relaxed run costs a scan of the vocabulary per word, so it is started only where the strict one falls short.
            relaxed = self._run(relaxed=True).find_documents(allowed)
            documents = relaxed if relaxed.max_covered > documents.max_covered else documents
        return documents.build_matches(exact)

    def _run(self, *, relaxed: bool) -> "QueryExecution":
        if relaxed not in self._executions:
            self._executions[relaxed] = QueryExecution(self.index, self.query).run(relaxed=relaxed)
        return self._executions[relaxed]


@dataclass(frozen=True)
class PostingRange:
    """A range of postings in a segment, and the weight of a match among them."""

    segment: int
    start: int
    end: int
    factor: float


class QueryExecution:
    """One run of a query over an index: arrays with an entry per document, and the terms searched.

    best: the largest impact of the present clause, 0 again after it. total: the score so far. covered_terms: bits of the query terms covered.
    """

    def __init__(self, index: "TextIndex", query: ParsedQuery) -> None:
        n = len(index)
        self.index, self.query = index, query
        self.best = np.zeros(n, np.float32)
        self.total = np.zeros(n, np.float32)
        self.covered_terms = np.zeros(n, np.uint64)
        self.words: set[str] = set()
        self.prefixes: list[str] = []
        self.corrections: dict[int, Correction] = {}
        self.n_required = query.required_bits.bit_count()

    def run(self, *, relaxed: bool) -> "QueryExecution":
        """Score all units; relaxed: words may be misspelled, and single characters of Chinese words count."""
        for unit in self.query.units:
            self.add_unit(unit, relaxed=relaxed)
        return self

    def find_documents(self, allowed: Flags) -> "MatchingDocuments":
        """Return the allowed documents that match anything."""
        rows, n_covered = np.empty(len(self.index), np.int32), np.empty(len(self.index), np.int64)
        count = kernels.find_matching_rows(self.covered_terms, allowed, 1, rows, n_covered)
        rows, n_covered = rows[:count], n_covered[:count]
        return MatchingDocuments(self, rows, n_covered, int(n_covered.max()) if count else 0)

    def build_corrected_query(self) -> str | None:
        """Return the query with its corrections, None without any."""
        if not self.corrections:
            return None
        text = self.query.text
        for position in sorted(self.corrections, reverse=True):  # from the end, so that earlier positions stay valid
            run = self.query.terms[position].run
            text = text[: run.start] + self.corrections[position].meant + text[run.end :]
        return text

    def add_unit(self, unit: QueryUnit, *, relaxed: bool) -> None:
        """Add the score of a unit in each document to the totals."""
        if len(unit.clauses) == 1:
            self.add_clause(unit.clauses[0], unit.alternatives, relaxed=relaxed, total=self.total)
            return
        # An alternative replaces all clauses of the unit, so a document gets the larger of their sum and the alternative.
        total = np.zeros(len(self.index), np.float32)
        idf_sum = sum(self.add_clause(clause, (), relaxed=relaxed, total=total) for clause in unit.clauses)
        for terms in unit.alternatives:
            self.raise_to_all_terms(terms)
        kernels.add_all_scores(np.float32(idf_sum), np.uint64(unit.covers), False, self.best, total, self.covered_terms)
        self.total += total

    def add_clause(
        self, clause: QueryClause, alternatives: Sequence[TermSet], *, relaxed: bool, total: npt.NDArray[np.float32]
    ) -> float:
        """Add idf · the best impact of each document for the clause; return the idf."""
        if clause.is_single_character and not relaxed:
            return 0.0
        ranges = self.find_ranges(clause.term, CHARACTER_FACTOR if clause.is_single_character else 1.0)
        count = self.raise_ranges(ranges)
        self.words.add(clause.term)
        for term_set in alternatives:
            if len(term_set) == 1:
                synonym_ranges = self.find_ranges(term_set[0], SYNONYM_FACTOR)
                count += self.raise_ranges(synonym_ranges)
                ranges += synonym_ranges
                self.words.add(term_set[0])
            else:
                count += self.raise_to_all_terms(term_set)
        if clause.is_word:
            if clause.is_unfinished and count < COMPLETION_THRESHOLD:
                completion_ranges = self.find_ranges(clause.term, COMPLETION_FACTOR, prefix=True)
                count += self.raise_ranges(completion_ranges)
                ranges += completion_ranges
                self.prefixes.append(clause.term)
            if relaxed or count < CORRECTION_THRESHOLD:
                correction_ranges = self.find_corrections(clause, has_no_match=count == 0)
                count += self.raise_ranges(correction_ranges)
                ranges += correction_ranges
        idf, covers = np.float32(self.compute_idf(count)), np.uint64(clause.covers)
        # Documents raised through several terms are in no single range, so they need one pass over all documents.
        if any(len(term_set) > 1 for term_set in alternatives):
            kernels.add_all_scores(idf, covers, True, self.best, total, self.covered_terms)
        for posting_range in ranges:
            docs = self.index.segments[posting_range.segment].docs
            kernels.add_scores(
                docs, posting_range.start, posting_range.end, idf, covers, self.best, total, self.covered_terms
            )
        return float(idf)

    def compute_idf(self, count: int) -> float:
        """Return the inverse document frequency of a term in ``count`` documents."""
        return math.log(1 + (self.index.n_live - count + 0.5) / (count + 0.5)) if count <= self.index.n_live else 0.0

    def find_ranges(self, term: str, factor: float, *, prefix: bool = False) -> list[PostingRange]:
        """Return the postings of a term (or of all terms with this prefix), which are contiguous in each segment."""
        ranges = []
        for number, segment in enumerate(self.index.segments):
            first, last = segment.vocabulary.find(term, prefix=prefix)
            if last > first:
                ranges.append(PostingRange(number, int(segment.indptr[first]), int(segment.indptr[last]), factor))
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

    def raise_to_all_terms(self, terms: TermSet) -> int:
        """Raise the best impacts of documents with all terms; return how many had none before."""
        n_new = 0
        self.words |= set(terms)
        for number, segment in enumerate(self.index.segments):
            spans = [segment.vocabulary.find(term) for term in terms]
            if all(last > first for first, last in spans):
                starts = segment.indptr[[first for first, _ in spans]]
                ends = segment.indptr[[last for _, last in spans]]
                factor = np.float32(SYNONYM_FACTOR)
                n_new += kernels.raise_best_of_all(
                    segment.docs, segment.impacts, starts, ends, factor, self.index.owner, number, self.best
                )
        return n_new

    def find_corrections(self, clause: QueryClause, *, has_no_match: bool) -> list[PostingRange]:
        """Return postings of the most used words with the fewest edits, or of longer words that begin similarly."""
        max_edits = get_max_edits(clause.term)
        candidates = self.find_nearest_words(clause.term, max_edits) if max_edits else []
        if not candidates and clause.is_unfinished and max_edits and has_no_match:
            candidates = self.find_nearest_words(clause.term, 1, prefix=True)
        ranges = []
        for distance, text in candidates[:MAX_CORRECTIONS]:
            ranges += self.find_ranges(text, ONE_EDIT_FACTOR if distance == 1 else TWO_EDITS_FACTOR)
            self.words.add(text)
        run = self.query.terms[clause.position].run
        # A part of a hyphenated run has no position of its own, so only a whole run can be replaced in the query.
        if ranges and has_no_match and split_into_words(run.text) == [clause.term]:
            self.corrections[clause.position] = Correction(run.text, candidates[0][1])
        return ranges

    def find_nearest_words(self, word: str, max_edits: int, *, prefix: bool = False) -> list[tuple[int, str]]:
        """Return (edits, word) of the nearest words that a document contains, most used first."""
        edits: dict[str, int] = {}
        counts: dict[str, int] = {}
        for number, segment in enumerate(self.index.segments):
            for term, distance in segment.vocabulary.find_near(word, max_edits=max_edits, prefix=prefix):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if live := kernels.count_live(segment.docs, start, end, self.index.owner, number):
                    text = segment.vocabulary.get_term(term)
                    edits[text] = distance
                    counts[text] = counts.get(text, 0) + live
        fewest = min(edits.values(), default=0)
        nearest = [text for text, distance in edits.items() if distance == fewest]
        # Typing errors rarely change the first letter.
        return [(fewest, text) for text in sorted(nearest, key=lambda text: (text[0] != word[0], -counts[text], text))]


def get_max_edits(term: str) -> int:
    """Return the allowed edits: 1 from 4 letters, 2 from 8 letters; 0 for numbers, which are never misspellings."""
    if not is_correctable(term):
        return 0
    return (len(term) >= 4) + (len(term) >= 8)


@dataclass(frozen=True, eq=False)
class MatchingDocuments:
    """Documents with the number of query terms each covers; max_covered: the largest of these numbers."""

    execution: QueryExecution
    rows: Rows
    n_covered: npt.NDArray[np.int64]
    max_covered: int

    def build_matches(self, exact: Rows) -> Matches:
        """Return the documents with the most query terms, and with fewer if these are not enough; exact: rows to add."""
        execution = self.execution
        is_match = self.n_covered == self.max_covered
        if self.max_covered < execution.n_required or is_match.sum() < MIN_FULL_MATCHES:
            is_match = self.n_covered >= (self.max_covered + 1) // 2
        rows, n_covered = self.rows[is_match], self.n_covered[is_match]
        if len(exact):
            rows = np.union1d(rows, exact).astype(np.int32)
            n_covered = np.bitwise_count(execution.covered_terms[rows]).astype(np.int64)
        scores = execution.total[rows]
        if len(exact):
            scores[np.searchsorted(rows, exact)] = max(scores.max(), 1.0)
        corrections = tuple(execution.corrections[position] for position in sorted(execution.corrections))
        return Matches(
            rows,
            scores,
            n_covered,
            execution.n_required,
            exact,
            frozenset(execution.words),
            tuple(execution.prefixes),
            execution.build_corrected_query() if len(rows) else None,
            corrections,
        )
