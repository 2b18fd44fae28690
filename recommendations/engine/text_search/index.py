"""The text index: the documents that match a query best, while documents change."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.documents import Documents
from recommendations.engine.text_search.query import ParsedQuery, QueryClause, QueryUnit, parse_text_query
from recommendations.engine.text_search.segment import IndexSegment, Pivots, Postings, assemble_segment, build_segment
from recommendations.engine.text_search.synonyms import Synonyms, TermSet
from recommendations.engine.text_search.tokens import iterate_runs, normalize, split_into_words
from recommendations.engine.text_search.vocabulary import freeze, is_correctable

MAX_SEGMENTS = 5  # small segments are merged beyond this number
MAX_CHANGED_SHARE = 0.1  # of all documents; more changes are merged into the main segment
COMPLETION_THRESHOLD = 10  # documents: a last word found in fewer may be the beginning of a longer word
CORRECTION_THRESHOLD = 3  # documents: a word found in fewer may be a misspelling
MIN_FULL_MATCHES = 5  # documents with all words; below it, documents with some of them follow
MAX_CORRECTIONS = 8
# weights relative to an exact word match
COMPLETION_FACTOR, ONE_EDIT_FACTOR, TWO_EDITS_FACTOR, SYNONYM_FACTOR, CHARACTER_FACTOR = (
    0.7,
    0.6,
    0.35,
    0.9,
    0.2,
)


NO_SYNONYMS = Synonyms()


@dataclass(frozen=True)
class Correction:
    """A word without matches, and the word searched instead."""

    typed: str
    meant: str


@dataclass(frozen=True, eq=False)
class Matches:
    """The matches of a query: rows in ascending order, their text scores, and how many query terms each covers (at least 1).

    n_required: number of required query terms; exact: rows whose key is the query; words: terms searched; prefixes: terms that longer words
    match too; corrected: the query with its corrections, None without any.
    """

    rows: Rows
    scores: npt.NDArray[np.float32]
    n_covered: npt.NDArray[np.int64]
    n_required: int
    exact: Rows
    words: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    corrected: str | None = None
    corrections: tuple[Correction, ...] = ()

    def highlight(self, text: str) -> list[tuple[str, bool]]:
        """Split the text into pieces, each with whether it matches the query."""
        small = normalize(text)
        if len(small) != len(text):  # normalizing changed the length, so positions do not map back
            return [(text, False)]
        hit = np.zeros(len(text), np.bool_)
        for run in iterate_runs(small):
            if run.is_unspaced:
                for start in range(run.start, run.end):
                    for size in (1, 2):
                        if small[start : min(start + size, run.end)] in self.words:
                            hit[start : start + size] = True
            elif any(word in self.words or word.startswith(self.prefixes) for word in split_into_words(run.text)):
                hit[run.start : run.end] = True
        edges = [0, *(np.flatnonzero(np.diff(hit)) + 1).tolist(), len(text)]
        return [(text[start:end], bool(hit[start])) for start, end in pairwise(edges) if end > start]


@dataclass(frozen=True, eq=False)
class TextIndex:
    """n documents in segments; owner: the segment with the current text of each row, -1 for none. Immutable.

    A document's score is Σ over the query's words of idf · impact, idf = ln(1 + (n − df + ½) / (df + ½)) (Robertson and Zaragoza 2009,
    with the 1 that keeps it above 0). df counts documents that match the word in any way: by itself, as a prefix of a longer word,
    misspelled or by a synonym; each way has a weight (`SYNONYM_FACTOR` and so on) relative to the word itself, and the best one counts.
    """

    segments: tuple[IndexSegment, ...]
    owner: npt.NDArray[np.int8]
    pivots: Pivots

    @classmethod
    def of(
        cls, documents: Documents, *, pivots: Pivots | None = None, pause: Callable[[], None] = lambda: None
    ) -> "TextIndex":
        """Build the index; row r is document r."""
        n = len(documents)
        segment, used = build_segment(documents, np.arange(n, dtype=np.int32), n=n, pivots=pivots, pause=pause)
        return cls((segment,), freeze(np.zeros(n, np.int8)), used)

    def __len__(self) -> int:
        return len(self.owner)

    @cached_property
    def n_live(self) -> int:
        """Return the number of documents with a text."""
        return int((self.owner >= 0).sum())

    @property
    def megabytes(self) -> float:
        return sum(segment.megabytes for segment in self.segments) + self.owner.nbytes / 1e6

    @property
    def n_changed(self) -> int:
        """Return the number of documents outside the first segment."""
        return int((self.owner > 0).sum())

    def with_changes(self, rows: Sequence[int] | Rows, documents: Documents) -> "TextIndex":
        """Return the index with these documents at their rows; rows after the last one are new.

        Field lengths stay relative to the mean lengths of the first documents that had each field.

        Raises ValueError if rows are not distinct, not negative and as many as documents.
        """
        places = np.asarray(rows, np.int32)
        if len(places) != len(documents) or len(np.unique(places)) != len(places) or (places < 0).any():
            raise ValueError(
                f"{len(documents)} documents need as many distinct rows >= 0, got {len(places)}: {rows!r:.100}"
            )
        if not len(places):
            return self
        n = max(len(self), int(places.max()) + 1)
        segment, pivots = build_segment(documents, places, n=n, pivots=self.pivots)
        owner = np.full(n, -1, np.int8)
        owner[: len(self)] = self.owner
        owner[places] = len(self.segments)
        index = TextIndex((*self.segments, segment), freeze(owner), pivots)
        return index.compacted() if len(index.segments) > MAX_SEGMENTS else index

    def without(self, rows: Sequence[int] | Rows) -> "TextIndex":
        """Return the index without the texts at these rows."""
        owner = self.owner.copy()
        owner[np.asarray(rows, np.int32)] = -1
        return replace(self, owner=freeze(owner))

    def compacted(self) -> "TextIndex":
        """Return the index with all changes in one segment, or fully merged if there are many changes."""
        if self.n_changed > MAX_CHANGED_SHARE * len(self):
            return self.merged()
        merged = self._together(range(1, len(self.segments)))
        return replace(self, segments=(self.segments[0], merged), owner=freeze(np.minimum(self.owner, 1)))

    def merged(self) -> "TextIndex":
        """Return the index in one segment without deleted documents: faster; no text is read again."""
        if len(self.segments) == 1 and self.n_live == len(self):
            return self
        segment = self._together(range(len(self.segments)))
        return replace(self, segments=(segment,), owner=freeze(np.minimum(self.owner, 0)))

    def _together(self, numbers: range) -> IndexSegment:
        parts: list[tuple[list[str], Postings]] = []
        keys: list[tuple[str, int]] = []
        for number in numbers:
            segment = self.segments[number]
            alive = self.owner[segment.docs] == number
            counts = np.concatenate([[0], np.cumsum(alive)])
            parts.append(
                (segment.vocabulary.terms(), (counts[segment.indptr], segment.docs[alive], segment.impacts[alive]))
            )
            names = np.repeat(np.arange(len(segment.keys)), np.diff(segment.key_indptr))
            of_live = self.owner[segment.key_rows] == number
            every = segment.keys.ids()
            keys += [
                (every[name], row)
                for name, row in zip(names[of_live].tolist(), segment.key_rows[of_live].tolist(), strict=True)
            ]
        return assemble_segment(parts, keys=keys)

    def arrays(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        """Return the index as arrays by name and JSON."""
        found: dict[str, npt.NDArray] = {"owner": self.owner}
        for number, segment in enumerate(self.segments):
            found |= {f"{number}.{name}": array for name, array in segment.arrays().items()}
        return found, {"segments": len(self.segments), "pivots": dict(self.pivots)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], saved: Mapping[str, Any]) -> "TextIndex":
        """Load the index of `arrays()`; memory-mapped arrays stay mapped."""
        segments = []
        for number in range(saved["segments"]):
            start = f"{number}."
            own = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
            segments.append(IndexSegment.from_arrays(own))
        return cls(tuple(segments), freeze(arrays["owner"]), dict(saved["pivots"]))

    def find_key(self, key: str) -> Rows:
        """Return the rows with this key; case is ignored."""
        wanted = normalize(key.strip())
        key_rows = [
            rows[self.owner[rows] == number]
            for number, segment in enumerate(self.segments)
            if wanted and len(rows := segment.rows_of_key(wanted))
        ]
        return np.unique(np.concatenate(key_rows)).astype(np.int32) if key_rows else np.empty(0, np.int32)

    def search(self, text: str, *, synonyms: Synonyms = NO_SYNONYMS, allowed: Flags | None = None) -> Matches:
        """Return the allowed documents that match the query: those with all words, and if few, those with at least half.

        If no document has all words, each word may also be a misspelling. A text without letters and digits matches keys only.
        """
        return self.score(text, synonyms=synonyms).matches(allowed)

    def score(self, text: str, *, synonyms: Synonyms = NO_SYNONYMS) -> "ScoredQuery":
        """Score all documents once, to be matched against different sets of allowed ones."""
        return ScoredQuery(self, text, synonyms)

    def complete(self, beginning: str, *, n: int) -> list[str]:
        """Return the words with this prefix that occur in most documents, most frequent first."""
        counts: dict[str, int] = {}
        word = normalize(beginning)
        for number, segment in enumerate(self.segments):
            first, last = segment.vocabulary.find(word, prefix=True)
            for term in range(first, last):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if end - start > 0:
                    text = segment.vocabulary.term(term)
                    live = kernels.count_live(segment.docs, start, end, self.owner, number)
                    counts[text] = counts.get(text, 0) + live
        ranked = sorted((-count, text) for text, count in counts.items() if count and text != word)
        return [text for _, text in ranked[:n]]


class ScoredQuery:
    """A query whose documents are scored once strictly and, if needed, once relaxed."""

    def __init__(self, index: TextIndex, text: str, synonyms: Synonyms) -> None:
        self.index = index
        self.query = parse_text_query(text, synonyms)
        self.exact = index.find_key(text)
        self._runs: dict[bool, QueryExecution] = {}

    def matches(self, allowed: Flags | None = None) -> Matches:
        """Return the matches as `TextIndex.search` does."""
        allowed = np.ones(len(self.index), np.bool_) if allowed is None else np.ascontiguousarray(allowed)
        exact = self.exact[allowed[self.exact]]
        if not self.query.terms:
            return Matches(exact, np.ones(len(exact), np.float32), np.ones(len(exact), np.int64), 1, exact)
        strict = self._run(relaxed=False).answering(allowed)
        if strict.answered < strict.search.needed:
            harder = self._run(relaxed=True).answering(allowed)
            strict = harder if harder.answered > strict.answered else strict
        return strict.matches(exact)

    def _run(self, *, relaxed: bool) -> "QueryExecution":
        if relaxed not in self._runs:
            self._runs[relaxed] = QueryExecution(self.index, self.query).run(relaxed=relaxed)
        return self._runs[relaxed]


@dataclass(frozen=True)
class PostingRange:
    """A range of postings in a segment, and the weight of a match among them."""

    segment: int
    start: int
    end: int
    factor: float


class QueryExecution:
    """One run of a query over an index: arrays with an entry per document, and the terms searched."""

    def __init__(self, index: TextIndex, query: ParsedQuery) -> None:
        n = len(index)
        self.index, self.query = index, query
        self.best = np.zeros(n, np.float32)
        self.total = np.zeros(n, np.float32)
        self.cover = np.zeros(n, np.uint64)
        self.words: set[str] = set()
        self.beginnings: list[str] = []
        self.corrections: dict[int, Correction] = {}
        self.needed = query.all_places.bit_count()

    def run(self, *, relaxed: bool) -> "QueryExecution":
        """Score all units; relaxed: words may be misspelled, and single characters of Chinese words count."""
        for unit in self.query.units:
            self.add(unit, relaxed=relaxed)
        return self

    def answering(self, allowed: Flags) -> "MatchingDocuments":
        """Return the allowed documents that match anything."""
        rows, covered = np.empty(len(self.index), np.int32), np.empty(len(self.index), np.int64)
        count = kernels.find_matching_rows(self.cover, allowed, 1, rows, covered)
        rows, covered = rows[:count], covered[:count]
        return MatchingDocuments(self, rows, covered, int(covered.max()) if count else 0)

    def corrected(self) -> str | None:
        """Return the query with its corrections, None without any."""
        if not self.corrections:
            return None
        text = self.query.text
        for place in sorted(self.corrections, reverse=True):
            run = self.query.terms[place].run
            text = text[: run.start] + self.corrections[place].meant + text[run.end :]
        return text

    def add(self, unit: QueryUnit, *, relaxed: bool) -> None:
        """Add the score of a unit in each document to the totals."""
        if len(unit.clauses) == 1:
            self.add_clause(unit.clauses[0], unit.alternatives, relaxed=relaxed, total=self.total)
            return
        total = np.zeros(len(self.index), np.float32)
        worth = sum(self.add_clause(clause, (), relaxed=relaxed, total=total) for clause in unit.clauses)
        for others in unit.alternatives:
            self.raise_together(others)
        kernels.add_all_scores(np.float32(worth), np.uint64(unit.covers), False, self.best, total, self.cover)
        self.total += total

    def add_clause(
        self, clause: QueryClause, others: Sequence[TermSet], *, relaxed: bool, total: npt.NDArray[np.float32]
    ) -> float:
        """Add idf · the best impact of each document for the clause; return the idf."""
        if clause.is_single_character and not relaxed:
            return 0.0
        ranges = self.ranges(clause.term, CHARACTER_FACTOR if clause.is_single_character else 1.0)
        count = self.raise_ranges(ranges)
        self.words.add(clause.term)
        for term_set in others:
            if len(term_set) == 1:
                synonym_ranges = self.ranges(term_set[0], SYNONYM_FACTOR)
                count += self.raise_ranges(synonym_ranges)
                ranges += synonym_ranges
                self.words.add(term_set[0])
            else:
                count += self.raise_together(term_set)
        if clause.is_word:
            if clause.is_unfinished and count < COMPLETION_THRESHOLD:
                completion_ranges = self.ranges(clause.term, COMPLETION_FACTOR, prefix=True)
                count += self.raise_ranges(completion_ranges)
                ranges += completion_ranges
                self.beginnings.append(clause.term)
            if relaxed or count < CORRECTION_THRESHOLD:
                correction_ranges = self.near(clause, nothing_holds_it=count == 0)
                count += self.raise_ranges(correction_ranges)
                ranges += correction_ranges
        worth, covers = np.float32(self.idf(count)), np.uint64(clause.covers)
        if any(len(term_set) > 1 for term_set in others):
            kernels.add_all_scores(worth, covers, True, self.best, total, self.cover)
        for posting_range in ranges:
            docs = self.index.segments[posting_range.segment].docs
            kernels.add_scores(
                docs, posting_range.start, posting_range.end, worth, covers, self.best, total, self.cover
            )
        return float(worth)

    def idf(self, count: int) -> float:
        """Return the inverse document frequency of a term in ``count`` documents."""
        return math.log(1 + (self.index.n_live - count + 0.5) / (count + 0.5)) if count <= self.index.n_live else 0.0

    def ranges(self, term: str, factor: float, *, prefix: bool = False) -> list[PostingRange]:
        """Return the postings of a term (or of all terms with this prefix), which are contiguous in each segment."""
        ranges = []
        for number, segment in enumerate(self.index.segments):
            first, last = segment.vocabulary.find(term, prefix=prefix)
            if last > first:
                ranges.append(PostingRange(number, int(segment.indptr[first]), int(segment.indptr[last]), factor))
        return ranges

    def raise_ranges(self, ranges: Sequence[PostingRange]) -> int:
        """Raise the best impacts; return how many documents had none for the clause before."""
        new = 0
        for posting_range in ranges:
            segment = self.index.segments[posting_range.segment]
            new += kernels.raise_best(
                segment.docs,
                segment.impacts,
                posting_range.start,
                posting_range.end,
                np.float32(posting_range.factor),
                self.index.owner,
                posting_range.segment,
                self.best,
            )
        return new

    def raise_together(self, terms: TermSet) -> int:
        new = 0
        self.words |= set(terms)
        for number, segment in enumerate(self.index.segments):
            spans = [segment.vocabulary.find(term) for term in terms]
            if all(last > first for first, last in spans):
                starts = segment.indptr[[first for first, _ in spans]]
                ends = segment.indptr[[last for _, last in spans]]
                factor = np.float32(SYNONYM_FACTOR)
                new += kernels.raise_best_of_all(
                    segment.docs, segment.impacts, starts, ends, factor, self.index.owner, number, self.best
                )
        return new

    def near(self, clause: QueryClause, *, nothing_holds_it: bool) -> list[PostingRange]:
        """Return postings of the most used words with the fewest edits, or of longer words that begin similarly."""
        max_edits = get_max_edits(clause.term)
        candidates = self.candidates(clause.term, max_edits) if max_edits else []
        if not candidates and clause.is_unfinished and max_edits and nothing_holds_it:
            candidates = self.candidates(clause.term, 1, prefix=True)
        ranges = []
        for distance, text in candidates[:MAX_CORRECTIONS]:
            ranges += self.ranges(text, ONE_EDIT_FACTOR if distance == 1 else TWO_EDITS_FACTOR)
            self.words.add(text)
        run = self.query.terms[clause.place].run
        if ranges and nothing_holds_it and split_into_words(run.text) == [clause.term]:
            self.corrections[clause.place] = Correction(run.text, candidates[0][1])
        return ranges

    def candidates(self, word: str, most: int, *, prefix: bool = False) -> list[tuple[int, str]]:
        """Return (edits, word) of the nearest words that a document contains, most used first."""
        edits: dict[str, int] = {}
        counts: dict[str, int] = {}
        for number, segment in enumerate(self.index.segments):
            for term, distance in segment.vocabulary.near(word, most=most, prefix=prefix):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if live := kernels.count_live(segment.docs, start, end, self.index.owner, number):
                    text = segment.vocabulary.term(term)
                    edits[text] = distance
                    counts[text] = counts.get(text, 0) + live
        least = min(edits.values(), default=0)
        nearest = [text for text, distance in edits.items() if distance == least]
        return [(least, text) for text in sorted(nearest, key=lambda text: (text[0] != word[0], -counts[text], text))]


def get_max_edits(term: str) -> int:
    """Return the allowed edits: 1 from 4 letters, 2 from 8 letters; 0 for numbers, which are never misspellings."""
    if not is_correctable(term):
        return 0
    return (len(term) >= 4) + (len(term) >= 8)


@dataclass(frozen=True, eq=False)
class MatchingDocuments:
    """Documents with the number of query terms each covers; answered: the maximum."""

    search: QueryExecution
    rows: Rows
    covered: npt.NDArray[np.int64]
    answered: int

    def matches(self, exact: Rows) -> Matches:
        search = self.search
        most = self.covered == self.answered
        if self.answered < search.needed or most.sum() < MIN_FULL_MATCHES:
            most = self.covered >= (self.answered + 1) // 2
        rows, covered = self.rows[most], self.covered[most]
        if len(exact):
            rows = np.union1d(rows, exact).astype(np.int32)
            covered = np.bitwise_count(search.cover[rows]).astype(np.int64)
        scores = search.total[rows]
        if len(exact):
            scores[np.searchsorted(rows, exact)] = max(scores.max(), 1.0)
        corrections = tuple(search.corrections[place] for place in sorted(search.corrections))
        return Matches(
            rows,
            scores,
            covered,
            search.needed,
            exact,
            frozenset(search.words),
            tuple(search.beginnings),
            search.corrected() if len(rows) else None,
            corrections,
        )
