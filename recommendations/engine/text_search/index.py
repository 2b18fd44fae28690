"""The text index: the documents that match a query best, while documents change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.corrections import CountPeople, RowWeights
from recommendations.engine.text_search.documents import Documents
from recommendations.engine.text_search.matches import Matches
from recommendations.engine.text_search.query_execution import ScoredQuery, WordChoice
from recommendations.engine.text_search.segment import (
    COMPACT_SIGN,
    IndexSegment,
    Pivots,
    Postings,
    assemble_segment,
    build_segment,
)
from recommendations.engine.text_search.synonyms import Synonyms
from recommendations.engine.text_search.tokens import compact_key, normalize
from recommendations.engine.text_search.vocabulary import freeze

MAX_SEGMENTS = 5  # small segments are merged beyond this number
MAX_CHANGED_SHARE = 0.1  # of all documents; more changes are merged into the main segment
MAX_COMPLETIONS = 20
MAX_KEPT_PREFIXES = 5_000
NO_SYNONYMS = Synonyms()
EVERYTHING = np.empty(0, np.bool_)


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

    def with_changes(
        self, rows: Sequence[int] | Rows, documents: Documents, *, pause: Callable[[], None] = lambda: None
    ) -> "TextIndex":
        """Return the index with these documents at their rows; rows after the last one are new.

        Field lengths stay relative to the mean lengths of the first documents that had each field. pause: called after every few
        milliseconds of work.

        Raises ValueError if rows are not distinct, not negative and as many as documents.
        """
        new_rows = np.asarray(rows, np.int32)
        if len(new_rows) != len(documents) or len(np.unique(new_rows)) != len(new_rows) or (new_rows < 0).any():
            raise ValueError(
                f"{len(documents)} documents need as many distinct rows >= 0, got {len(new_rows)}: {rows!r:.100}"
            )
        if not len(new_rows):
            return self
        n = max(len(self), int(new_rows.max()) + 1)
        segment, pivots = build_segment(documents, new_rows, n=n, pivots=self.pivots, pause=pause)
        owner = np.full(n, -1, np.int8)
        owner[: len(self)] = self.owner
        # The old texts stay in their segments; kernels skip them, because their segment no longer owns the row.
        owner[new_rows] = len(self.segments)
        index = TextIndex((*self.segments, segment), freeze(owner), pivots)
        return index.compact() if len(index.segments) > MAX_SEGMENTS else index

    def without_rows(self, rows: Sequence[int] | Rows) -> "TextIndex":
        """Return the index without the texts at these rows."""
        owner = self.owner.copy()
        owner[np.asarray(rows, np.int32)] = -1
        return replace(self, owner=freeze(owner))

    def with_only(self, visible: Flags) -> "TextIndex":
        """Return the index of these documents only, as if it had no others; the texts are shared."""
        return replace(self, owner=freeze(np.where(visible, self.owner, np.int8(-1))))

    def compact(self) -> "TextIndex":
        """Return the index with all changes in one segment, or fully merged if there are many changes."""
        if self.n_changed > MAX_CHANGED_SHARE * len(self):
            return self.merge_segments()
        merged = self._merge(range(1, len(self.segments)))
        # Rows of segment 0 and rows without a text (-1) keep their number; all others are in segment 1 now.
        return replace(self, segments=(self.segments[0], merged), owner=freeze(np.minimum(self.owner, 1)))

    def merge_segments(self) -> "TextIndex":
        """Return the index in one segment without deleted documents: faster; no text is read again."""
        if len(self.segments) == 1 and self.n_live == len(self):
            return self
        segment = self._merge(range(len(self.segments)))
        return replace(self, segments=(segment,), owner=freeze(np.minimum(self.owner, 0)))

    def _merge(self, numbers: range) -> IndexSegment:
        """Return one segment of the documents that the segments with these numbers own."""
        parts: list[tuple[list[str], Postings]] = []
        keys: list[tuple[str, int]] = []
        for number in numbers:
            segment = self.segments[number]
            is_live = self.owner[segment.docs] == number
            counts = np.concatenate([[0], np.cumsum(is_live)])
            parts.append(
                (
                    segment.vocabulary.list_terms(),
                    (counts[segment.indptr], segment.docs[is_live], segment.impacts[is_live]),
                )
            )
            numbers_of_keys = np.repeat(np.arange(len(segment.keys)), np.diff(segment.key_indptr))
            is_live_key = self.owner[segment.key_rows] == number
            key_texts = segment.keys.get_ids()
            keys += [
                (key_texts[key], row)
                for key, row in zip(
                    numbers_of_keys[is_live_key].tolist(), segment.key_rows[is_live_key].tolist(), strict=True
                )
            ]
        return assemble_segment(parts, keys=keys)

    def warm_up(self, pause: Callable[[], None] = lambda: None) -> None:
        """Compute in advance what the first searches would otherwise compute; pause: called after every few milliseconds of work."""
        for segment in self.segments:
            segment.warm_up(pause)

    def to_arrays(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        """Return the index as arrays by name and JSON."""
        arrays: dict[str, npt.NDArray] = {"owner": self.owner}
        for number, segment in enumerate(self.segments):
            arrays |= {f"{number}.{name}": array for name, array in segment.to_arrays().items()}
        return arrays, {"segments": len(self.segments), "pivots": dict(self.pivots)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], saved: Mapping[str, Any]) -> "TextIndex":
        """Load the index of `to_arrays()`; memory-mapped arrays stay mapped."""
        segments = []
        for number in range(saved["segments"]):
            prefix = f"{number}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            segments.append(IndexSegment.from_arrays(own))
        return cls(tuple(segments), freeze(arrays["owner"]), dict(saved["pivots"]))

    def find_key(self, key: str) -> Rows:
        """Return the rows with this key; case is ignored, and so is punctuation if no key is equal."""
        normalized = normalize(key.strip())
        rows = self._find_rows_with_key(normalized)
        if len(rows) or " " in normalized or not (compact := compact_key(normalized)):
            return rows
        spellings = self._find_rows_with_key(f"{COMPACT_SIGN}{compact}"), self._find_rows_with_key(compact)
        return np.union1d(*spellings).astype(np.int32)

    def _find_rows_with_key(self, key: str) -> Rows:
        key_rows = [
            rows[self.owner[rows] == number]
            for number, segment in enumerate(self.segments)
            if key and len(rows := segment.find_rows(key))
        ]
        return np.unique(np.concatenate(key_rows)).astype(np.int32) if key_rows else np.empty(0, np.int32)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {}  # of terms that were asked for and exist, so it never outgrows the vocabulary

    def count_documents(self, term: str) -> int:
        """Return the number of documents with a term."""
        if (known := self._counts.get(term)) is not None:
            return known
        count, exists = 0, False
        for number, segment in enumerate(self.segments):
            start, end = segment.find_postings(term)
            if end > start:
                exists = True
                count += kernels.count_live(segment.docs, start, end, self.owner, number)
        if exists:
            self._counts[term] = count
        return count

    def count_together(self, terms: Sequence[str]) -> int:
        """Return the number of documents with all terms; slow, so only used to correct words that no document has."""
        count = 0
        for number, segment in enumerate(self.segments):
            spans = [segment.vocabulary.find(term) for term in terms]
            docs = [segment.docs[segment.indptr[first] : segment.indptr[last]] for first, last in spans]
            shared = reduce(np.intersect1d, docs)
            count += int((self.owner[shared] == number).sum())
        return count

    def search(self, text: str, *, synonyms: Synonyms = NO_SYNONYMS, allowed: Flags | None = None) -> Matches:
        """Return the allowed documents that match the query: those with all words and, if these are few, those with at least half.

        If no document has all words, each word may also be a misspelling. A text without letters and digits matches keys only.
        """
        return self.score(text, synonyms=synonyms).find_matches(allowed)

    def score(
        self,
        text: str,
        *,
        synonyms: Synonyms = NO_SYNONYMS,
        weights: RowWeights | None = None,
        count_people: CountPeople | None = None,
        corrects: bool = True,
    ) -> ScoredQuery:
        """Score all documents once, to be matched against different sets of allowed ones.

        weights (of documents, such as their sales) and count_people (how many people searched for a word) decide between corrections.
        corrects: whether words may be misspelled.
        """
        return ScoredQuery(self, text, synonyms, WordChoice(weights, count_people, corrects=corrects))

    def complete(self, prefix: str, *, n: int) -> list[str]:
        """Return the words with this prefix that occur in most documents, most frequent first; kept for the next search."""
        completions = self._completions.get(prefix)
        if completions is None:
            if len(self._completions) >= MAX_KEPT_PREFIXES:
                self._completions.clear()
            completions = self._completions[prefix] = [text for _count, text in self.count_completions(prefix)]
        return completions[:n]

    @cached_property
    def _completions(self) -> dict[str, list[str]]:
        return {}

    def count_completions(self, prefix: str, *, among: Flags | None = None) -> list[tuple[int, str]]:
        """Return (documents, word) of the MAX_COMPLETIONS words with this prefix in most documents, most frequent first.

        among: count only these documents; of more words than are needed, those that occur in most documents of all are preferred.
        """
        counts: dict[str, int] = {}
        word = normalize(prefix)
        for number, segment in enumerate(self.segments):
            first, last = segment.vocabulary.find(word, prefix=True)
            sizes = np.diff(segment.indptr[first : last + 1]).astype(np.float64)
            places = freeze(np.arange(len(sizes), dtype=np.int32))
            # Of thousands of words with a short prefix only the most frequent are read; more if few of them occur in the documents.
            n_read = 4 * MAX_COMPLETIONS
            while True:
                most_used = first + np.sort(kernels.find_top_positions(sizes, places, n_read))
                live = np.empty(len(most_used), np.int64)
                kernels.count_live_among(
                    segment.docs,
                    segment.indptr,
                    most_used,
                    self.owner,
                    number,
                    EVERYTHING if among is None else among,
                    live,
                )
                if n_read >= len(sizes) or np.count_nonzero(live) > MAX_COMPLETIONS:
                    break
                n_read *= 8
            for position in find_most_frequent(live, is_whole=len(self.segments) == 1):
                text = segment.vocabulary.get_term(int(most_used[position]))
                counts[text] = counts.get(text, 0) + int(live[position])
        ranked = sorted((-count, text) for text, count in counts.items() if text != word)
        return [(-count, text) for count, text in ranked[:MAX_COMPLETIONS]]


def find_most_frequent(counts: npt.NDArray[np.int64], *, is_whole: bool) -> list[int]:
    """Return the positions of the counts above 0; if the counts are complete, without those too small for a completion.

    One more than MAX_COMPLETIONS is kept, because the typed word itself is no completion.
    """
    least = 1
    if is_whole and len(counts) > MAX_COMPLETIONS + 1:
        least = max(1, int(np.partition(counts, -MAX_COMPLETIONS - 1)[-MAX_COMPLETIONS - 1]))
    return np.flatnonzero(counts >= least).tolist()
