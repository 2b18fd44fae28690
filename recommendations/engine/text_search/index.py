"""An index of texts: what answers a typed query best, also while documents change."""

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
from recommendations.engine.text_search.query import Clause, Query, Unit, read
from recommendations.engine.text_search.segment import Pivots, Postings, Segment, assemble, build
from recommendations.engine.text_search.synonyms import Synonyms, Together
from recommendations.engine.text_search.tokens import normal, runs, words
from recommendations.engine.text_search.vocabulary import frozen, may_be_misspelt

MOST_SEGMENTS = 5  # small ones are put together before there are more
SMALL = 0.1  # of all documents: what has changed is put into the whole when it is more
COMPLETE_BELOW = 10  # documents: a last word that stands in fewer may be the beginning of a longer one
MISSPELT_BELOW = 3  # documents: a word that stands in fewer may be a misspelt other one
FEW = 5  # documents with all words; with fewer those with some of them follow
MOST_CORRECTIONS = 8
COMPLETED, NEAR, FAR, SYNONYM, CHARACTER = 0.7, 0.6, 0.35, 0.9, 0.2  # what a find is worth beside the word itself


NO_SYNONYMS = Synonyms()


@dataclass(frozen=True)
class Correction:
    """A word that nothing holds, and the one that was looked for instead."""

    typed: str
    meant: str


@dataclass(frozen=True, eq=False)
class Matches:
    """What a query found: rows in rising order, the score of each text, and how many places of the query it answers (at least 1).

    needed: how many places there are; exact: rows whose key is the query; words: terms that were looked for; beginnings: those
    that any longer word answers too; query: the typed one with its corrections, None where there are none.
    """

    rows: Rows
    scores: npt.NDArray[np.float32]
    covered: npt.NDArray[np.int64]
    needed: int
    exact: Rows
    words: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    corrected: str | None = None
    corrections: tuple[Correction, ...] = ()

    def marked(self, text: str) -> list[tuple[str, bool]]:
        """The text in pieces, each with whether the query found it."""
        small = normal(text)
        if len(small) != len(text):  # a letter became two: nothing can be pointed at
            return [(text, False)]
        hit = np.zeros(len(text), np.bool_)
        for run in runs(small):
            if run.unspaced:
                for start in range(run.start, run.end):
                    for size in (1, 2):
                        if small[start : min(start + size, run.end)] in self.words:
                            hit[start : start + size] = True
            elif any(word in self.words or word.startswith(self.beginnings) for word in words(run.text)):
                hit[run.start : run.end] = True
        edges = [0, *(np.flatnonzero(np.diff(hit)) + 1).tolist(), len(text)]
        return [(text[start:end], bool(hit[start])) for start, end in pairwise(edges) if end > start]


@dataclass(frozen=True, eq=False)
class TextIndex:
    """n documents in segments; owner: the segment that holds each row's present text, -1 for none. Never changed once made.

    A document's score is Σ over the query's words of idf · impact, idf = ln(1 + (n − df + ½) / (df + ½)) (Robertson and Zaragoza 2009,
    with the 1 that keeps it above 0), df the documents that answer the word in any way: by itself, as the beginning of a longer
    one, misspelt or by a synonym, each at its share (`SYNONYM` and so on) of what the word itself would be worth, the best counting.
    """

    segments: tuple[Segment, ...]
    owner: npt.NDArray[np.int8]
    pivots: Pivots

    @classmethod
    def of(
        cls, documents: Documents, *, pivots: Pivots | None = None, pause: Callable[[], None] = lambda: None
    ) -> "TextIndex":
        """Row r is document r."""
        n = len(documents)
        segment, used = build(documents, np.arange(n, dtype=np.int32), n=n, pivots=pivots, pause=pause)
        return cls((segment,), frozen(np.zeros(n, np.int8)), used)

    def __len__(self) -> int:
        return len(self.owner)

    @cached_property
    def live(self) -> int:
        """How many documents have a text."""
        return int((self.owner >= 0).sum())

    @property
    def megabytes(self) -> float:
        return sum(segment.megabytes for segment in self.segments) + self.owner.nbytes / 1e6

    @property
    def changed(self) -> int:
        """How many documents stand elsewhere than in the first segment."""
        return int((self.owner > 0).sum())

    def with_changes(self, rows: Sequence[int] | Rows, documents: Documents) -> "TextIndex":
        """With these documents at their rows, in place of what stood there; rows after the present last one are new.

        Lengths stay measured by the pivots of the first documents that had each field.

        Errors: ValueError where rows are not as many as documents, negative, or twice.
        """
        places = np.asarray(rows, np.int32)
        if len(places) != len(documents) or len(np.unique(places)) != len(places) or (places < 0).any():
            raise ValueError(
                f"{len(documents)} documents need as many different rows, not {len(places)}: {rows!r:.100}"
            )
        if not len(places):
            return self
        n = max(len(self), int(places.max()) + 1)
        segment, pivots = build(documents, places, n=n, pivots=self.pivots)
        owner = np.full(n, -1, np.int8)
        owner[: len(self)] = self.owner
        owner[places] = len(self.segments)
        index = TextIndex((*self.segments, segment), frozen(owner), pivots)
        return index.compacted() if len(index.segments) > MOST_SEGMENTS else index

    def without(self, rows: Sequence[int] | Rows) -> "TextIndex":
        """Without the texts at these rows."""
        owner = self.owner.copy()
        owner[np.asarray(rows, np.int32)] = -1
        return replace(self, owner=frozen(owner))

    def compacted(self) -> "TextIndex":
        """The same with the changes in one segment; in one with everything where they are many."""
        if self.changed > SMALL * len(self):
            return self.merged()
        merged = self._together(range(1, len(self.segments)))
        return replace(self, segments=(self.segments[0], merged), owner=frozen(np.minimum(self.owner, 1)))

    def merged(self) -> "TextIndex":
        """The same in one segment: quicker to search, and nothing of what has gone is left. Not a text is read for it."""
        if len(self.segments) == 1 and self.live == len(self):
            return self
        segment = self._together(range(len(self.segments)))
        return replace(self, segments=(segment,), owner=frozen(np.minimum(self.owner, 0)))

    def _together(self, numbers: range) -> Segment:
        parts: list[tuple[list[str], Postings]] = []
        keys: list[tuple[str, int]] = []
        for number in numbers:
            one = self.segments[number]
            alive = self.owner[one.docs] == number
            counts = np.concatenate([[0], np.cumsum(alive)])
            parts.append((one.vocabulary.terms(), (counts[one.indptr], one.docs[alive], one.impacts[alive])))
            names = np.repeat(np.arange(len(one.keys)), np.diff(one.key_indptr))
            of_live = self.owner[one.key_rows] == number
            every = one.keys.ids()
            keys += [
                (every[name], row)
                for name, row in zip(names[of_live].tolist(), one.key_rows[of_live].tolist(), strict=True)
            ]
        return assemble(parts, keys=keys)

    def arrays(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        """Everything needed to have the same index again: arrays by name, and what JSON can hold."""
        found: dict[str, npt.NDArray] = {"owner": self.owner}
        for number, segment in enumerate(self.segments):
            found |= {f"{number}.{name}": array for name, array in segment.arrays().items()}
        return found, {"segments": len(self.segments), "pivots": dict(self.pivots)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], saved: Mapping[str, Any]) -> "TextIndex":
        """The index of `arrays()`; memory-mapped arrays stay so."""
        segments = []
        for number in range(saved["segments"]):
            start = f"{number}."
            own = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
            segments.append(Segment.from_arrays(own))
        return cls(tuple(segments), frozen(arrays["owner"]), dict(saved["pivots"]))

    def rows_of_key(self, key: str) -> Rows:
        """Rows that go by the key, in whatever case it is written."""
        wanted = normal(key.strip())
        found = [
            rows[self.owner[rows] == number]
            for number, segment in enumerate(self.segments)
            if wanted and len(rows := segment.rows_of_key(wanted))
        ]
        return np.unique(np.concatenate(found)).astype(np.int32) if found else np.empty(0, np.int32)

    def search(self, text: str, *, synonyms: Synonyms = NO_SYNONYMS, allowed: Flags | None = None) -> Matches:
        """The allowed documents that answer the query: those with all its words, and where these are few those with at least half.

        Where none has all words, each word may also be a misspelt other one. What has no letter and no digit finds nothing but keys.
        """
        return self.scored(text, synonyms=synonyms).matches(allowed)

    def scored(self, text: str, *, synonyms: Synonyms = NO_SYNONYMS) -> "ScoredQuery":
        """What every document is worth to the query, to be asked for different sets of allowed ones."""
        return ScoredQuery(self, text, synonyms)

    def completions(self, beginning: str, *, n: int) -> list[str]:
        """The words that begin so and stand in most documents, most first."""
        counts: dict[str, int] = {}
        word = normal(beginning)
        for number, segment in enumerate(self.segments):
            first, last = segment.vocabulary.find(word, prefix=True)
            for term in range(first, last):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if end - start > 0:
                    text = segment.vocabulary.term(term)
                    live = kernels.live(segment.docs, start, end, self.owner, number)
                    counts[text] = counts.get(text, 0) + live
        ranked = sorted((-count, text) for text, count in counts.items() if count and text != word)
        return [text for _, text in ranked[:n]]


class ScoredQuery:
    """A query whose documents are scored once, strictly and, where that is needed, relaxed."""

    def __init__(self, index: TextIndex, text: str, synonyms: Synonyms) -> None:
        self.index = index
        self.query = read(text, synonyms)
        self.exact = index.rows_of_key(text)
        self._runs: dict[bool, _Search] = {}

    def matches(self, allowed: Flags | None = None) -> Matches:
        """As `TextIndex.search`."""
        allowed = np.ones(len(self.index), np.bool_) if allowed is None else np.ascontiguousarray(allowed)
        exact = self.exact[allowed[self.exact]]
        if not self.query.places:
            return Matches(exact, np.ones(len(exact), np.float32), np.ones(len(exact), np.int64), 1, exact)
        found = self._run(relaxed=False).answering(allowed)
        if found.answered < found.search.needed:
            harder = self._run(relaxed=True).answering(allowed)
            found = harder if harder.answered > found.answered else found
        return found.matches(exact)

    def _run(self, *, relaxed: bool) -> "_Search":
        if relaxed not in self._runs:
            self._runs[relaxed] = _Search(self.index, self.query).run(relaxed=relaxed)
        return self._runs[relaxed]


@dataclass(frozen=True)
class _Range:
    """Postings of a segment, and what a find among them is worth."""

    segment: int
    start: int
    end: int
    factor: float


class _Search:
    """One run of a query over an index: arrays with a place for each document, and what was looked for."""

    def __init__(self, index: TextIndex, query: Query) -> None:
        n = len(index)
        self.index, self.query = index, query
        self.best = np.zeros(n, np.float32)
        self.total = np.zeros(n, np.float32)
        self.cover = np.zeros(n, np.uint64)
        self.words: set[str] = set()
        self.beginnings: list[str] = []
        self.corrections: dict[int, Correction] = {}
        self.needed = query.all_places.bit_count()

    def run(self, *, relaxed: bool) -> "_Search":
        """relaxed: every word may be misspelt, and single characters of Chinese words count."""
        for unit in self.query.units:
            self.add(unit, relaxed=relaxed)
        return self

    def answering(self, allowed: Flags) -> "_Answering":
        """Which of the allowed documents answer something."""
        rows, covered = np.empty(len(self.index), np.int32), np.empty(len(self.index), np.int64)
        count = kernels.found_rows(self.cover, allowed, 1, rows, covered)
        rows, covered = rows[:count], covered[:count]
        return _Answering(self, rows, covered, int(covered.max()) if count else 0)

    def corrected(self) -> str | None:
        """The query with what was looked for in place of words that nothing holds."""
        if not self.corrections:
            return None
        text = self.query.text
        for place in sorted(self.corrections, reverse=True):
            run = self.query.places[place].run
            text = text[: run.start] + self.corrections[place].meant + text[run.end :]
        return text

    def add(self, unit: Unit, *, relaxed: bool) -> None:
        """Adds what the unit is worth in each document to the totals."""
        if len(unit.clauses) == 1:
            self.add_clause(unit.clauses[0], unit.others, relaxed=relaxed, total=self.total)
            return
        total = np.zeros(len(self.index), np.float32)
        worth = sum(self.add_clause(clause, (), relaxed=relaxed, total=total) for clause in unit.clauses)
        for others in unit.others:
            self.raise_together(others)
        kernels.settle_all(np.float32(worth), np.uint64(unit.covers), False, self.best, total, self.cover)
        self.total += total

    def add_clause(
        self, clause: Clause, others: Sequence[Together], *, relaxed: bool, total: npt.NDArray[np.float32]
    ) -> float:
        """Adds idf · impact of the best that each document has for the clause; returns the idf."""
        if clause.of_pieces and not relaxed:
            return 0.0
        ranges = self.ranges(clause.term, CHARACTER if clause.of_pieces else 1.0)
        count = self.raise_ranges(ranges)
        self.words.add(clause.term)
        for together in others:
            if len(together) == 1:
                same = self.ranges(together[0], SYNONYM)
                count += self.raise_ranges(same)
                ranges += same
                self.words.add(together[0])
            else:
                count += self.raise_together(together)
        if clause.is_word:
            if clause.unfinished and count < COMPLETE_BELOW:
                longer = self.ranges(clause.term, COMPLETED, prefix=True)
                count += self.raise_ranges(longer)
                ranges += longer
                self.beginnings.append(clause.term)
            if relaxed or count < MISSPELT_BELOW:
                near = self.near(clause, nothing_holds_it=count == 0)
                count += self.raise_ranges(near)
                ranges += near
        worth, covers = np.float32(self.idf(count)), np.uint64(clause.covers)
        if any(len(together) > 1 for together in others):
            kernels.settle_all(worth, covers, True, self.best, total, self.cover)
        for one in ranges:
            docs = self.index.segments[one.segment].docs
            kernels.settle(docs, one.start, one.end, worth, covers, self.best, total, self.cover)
        return float(worth)

    def idf(self, count: int) -> float:
        return math.log(1 + (self.index.live - count + 0.5) / (count + 0.5)) if count <= self.index.live else 0.0

    def ranges(self, term: str, factor: float, *, prefix: bool = False) -> list[_Range]:
        """Postings of the term (of all that begin with it), which stand together in each segment."""
        found = []
        for number, segment in enumerate(self.index.segments):
            first, last = segment.vocabulary.find(term, prefix=prefix)
            if last > first:
                found.append(_Range(number, int(segment.indptr[first]), int(segment.indptr[last]), factor))
        return found

    def raise_ranges(self, ranges: Sequence[_Range]) -> int:
        """How many documents had nothing for the clause before."""
        new = 0
        for one in ranges:
            segment = self.index.segments[one.segment]
            new += kernels.raise_best(
                segment.docs,
                segment.impacts,
                one.start,
                one.end,
                np.float32(one.factor),
                self.index.owner,
                one.segment,
                self.best,
            )
        return new

    def raise_together(self, terms: Together) -> int:
        new = 0
        self.words |= set(terms)
        for number, segment in enumerate(self.index.segments):
            spans = [segment.vocabulary.find(term) for term in terms]
            if all(last > first for first, last in spans):
                starts = segment.indptr[[first for first, _ in spans]]
                ends = segment.indptr[[last for _, last in spans]]
                factor = np.float32(SYNONYM)
                new += kernels.raise_together(
                    segment.docs, segment.impacts, starts, ends, factor, self.index.owner, number, self.best
                )
        return new

    def near(self, clause: Clause, *, nothing_holds_it: bool) -> list[_Range]:
        """Postings of the words that differ from it least, of the most used of them, and of longer words that begin almost so."""
        most = edits_allowed(clause.term)
        candidates = self.candidates(clause.term, most) if most else []
        if not candidates and clause.unfinished and most and nothing_holds_it:
            candidates = self.candidates(clause.term, 1, prefix=True)
        found = []
        for distance, text in candidates[:MOST_CORRECTIONS]:
            found += self.ranges(text, NEAR if distance == 1 else FAR)
            self.words.add(text)
        run = self.query.places[clause.place].run
        if found and nothing_holds_it and words(run.text) == [clause.term]:
            self.corrections[clause.place] = Correction(run.text, candidates[0][1])
        return found

    def candidates(self, word: str, most: int, *, prefix: bool = False) -> list[tuple[int, str]]:
        """(edits, word) of the nearest words that a document holds, most used first."""
        edits: dict[str, int] = {}
        counts: dict[str, int] = {}
        for number, segment in enumerate(self.index.segments):
            for term, distance in segment.vocabulary.near(word, most=most, prefix=prefix):
                start, end = int(segment.indptr[term]), int(segment.indptr[term + 1])
                if live := kernels.live(segment.docs, start, end, self.index.owner, number):
                    text = segment.vocabulary.term(term)
                    edits[text] = distance
                    counts[text] = counts.get(text, 0) + live
        least = min(edits.values(), default=0)
        nearest = [text for text, distance in edits.items() if distance == least]
        return [(least, text) for text in sorted(nearest, key=lambda text: (text[0] != word[0], -counts[text], text))]


def edits_allowed(term: str) -> int:
    """In a word of at least 4 letters one, of at least 8 two; a number is never another one misspelt."""
    if not may_be_misspelt(term):
        return 0
    return (len(term) >= 4) + (len(term) >= 8)


@dataclass(frozen=True, eq=False)
class _Answering:
    """Documents with how many places of the query each answers; answered: by the one that answers most."""

    search: _Search
    rows: Rows
    covered: npt.NDArray[np.int64]
    answered: int

    def matches(self, exact: Rows) -> Matches:
        search = self.search
        most = self.covered == self.answered
        if self.answered < search.needed or most.sum() < FEW:
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
