"""An index segment: terms, and for each the documents that contain it with their impact. Immutable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from recommendations.engine.data.id_map import IdMap
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.documents import FIELDS, Documents
from recommendations.engine.text_search.stemmer import stem_word
from recommendations.engine.text_search.tokens import (
    BREAK,
    RUN,
    compact_key,
    list_document_terms,
    measure_length,
    normalize,
)
from recommendations.engine.text_search.vocabulary import Vocabulary, freeze

K1 = 1.2  # term frequency saturation
NORMALIZE_BATCH = 2000  # documents normalized together
POSTINGS_BATCH = 20_000  # documents that get their postings together
MAX_KEPT_TERMS = 20_000
TERMS_PER_PAUSE = 2_000
COMPACT_SIGN = "="  # before a key without its punctuation
MAX_CHARACTERS = 2000  # per text; later text rarely describes the product

type Pivots = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class IndexSegment:
    """Postings of term t: docs[indptr[t]…indptr[t + 1]] (rows of the index, ascending) and their impacts.

    The impact is BM25F's saturated frequency, f / (k1 + f) in 65,535ths with
    f = Σ over fields of weight · count / (1 − b + b · length / pivot),
    pivot the mean length of the field's texts: S. Robertson, H. Zaragoza, M. Taylor, "Simple BM25 extension to multiple weighted
    fields" (CIKM 2004); S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework" (2009), section 3.6.
    keys are external names of documents, key_rows[key_indptr[k]…key_indptr[k + 1]] the rows with key k.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("indptr", "docs", "impacts", "key_indptr", "key_rows")

    vocabulary: Vocabulary
    indptr: npt.NDArray[np.int64]
    docs: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.uint16]
    keys: IdMap
    key_indptr: npt.NDArray[np.int64]
    key_rows: npt.NDArray[np.int32]

    def find_rows(self, key: str) -> npt.NDArray[np.int32]:
        number = self.keys.get_row(key) if len(self.keys) else -1
        return (
            self.key_rows[self.key_indptr[number] : self.key_indptr[number + 1]] if number >= 0 else self.key_rows[:0]
        )

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        return {}

    def find_postings(self, term: str) -> tuple[int, int]:
        """Return the first posting of a term and the one after the last; equal numbers if there is none. Kept for the next query."""
        span = self._spans.get(term)
        if span is None:
            if len(self._spans) >= MAX_KEPT_TERMS:
                self._spans.clear()
            first, last = self.vocabulary.find(term)
            span = self._spans[term] = (int(self.indptr[first]), int(self.indptr[last])) if last > first else (0, 0)
        return span

    @cached_property
    def terms_by_stem(self) -> Mapping[str, Sequence[int]]:
        """Return the numbers of the terms of each stem, without stems whose only term equals the stem."""
        return self._group_by_stem()

    def _group_by_stem(self, pause: Callable[[], None] = lambda: None) -> Mapping[str, Sequence[int]]:
        terms = self.vocabulary.list_terms()
        by_stem: dict[str, list[int]] = {}
        for some in batched(enumerate(terms), TERMS_PER_PAUSE):
            for number, term in some:
                by_stem.setdefault(stem_word(term), []).append(number)
            pause()
        return {stem: numbers for stem, numbers in by_stem.items() if len(numbers) > 1 or terms[numbers[0]] != stem}

    def warm_up(self, pause: Callable[[], None]) -> None:
        """Compute `terms_by_stem`; pause: called after every few milliseconds of work."""
        if "terms_by_stem" not in self.__dict__:
            self.__dict__["terms_by_stem"] = self._group_by_stem(pause)

    def find_terms_with_stem(self, stem: str) -> Sequence[int]:
        """Return the numbers of the terms with a stem."""
        numbers = self.terms_by_stem.get(stem)
        return range(*self.vocabulary.find(stem)) if numbers is None else numbers

    @cached_property
    def megabytes(self) -> float:
        return sum(array.nbytes for array in self.to_arrays().values()) / 1e6

    def to_arrays(self) -> dict[str, npt.NDArray]:
        """Return the segment as arrays."""
        own = {name: getattr(self, name) for name in self.PARTS}
        terms = {f"vocabulary.{name}": getattr(self.vocabulary, name) for name in Vocabulary.PARTS}
        return own | terms | {f"keys.{name}": array for name, array in self.keys.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "IndexSegment":
        """Load the segment of `to_arrays()`; memory-mapped arrays stay mapped."""
        return cls(
            vocabulary=Vocabulary(*(freeze(arrays[f"vocabulary.{name}"]) for name in Vocabulary.PARTS)),
            keys=IdMap.from_arrays({name: arrays[f"keys.{name}"] for name in IdMap.PARTS}),
            **{name: freeze(arrays[name]) for name in cls.PARTS},
        )


class _RunNumbers(dict[str, int]):
    """Numbers the distinct runs of the texts and their terms; filled as runs are looked up.

    Catalogs repeat the same words, so each distinct run is split into terms only once.
    """

    def __init__(self) -> None:
        super().__init__({BREAK: 0})
        self.term_numbers: dict[str, int] = {}
        self.terms: list[int] = []  # of all runs, one after the other
        self.ends: list[int] = [0]
        self.lengths: list[float] = [0.0]

    def __missing__(self, run: str) -> int:
        number = self[run] = len(self.ends)
        self.terms += [self.term_numbers.setdefault(term, len(self.term_numbers)) for term in list_document_terms(run)]
        self.ends.append(len(self.terms))
        self.lengths.append(measure_length(run))
        return number

    def freeze(self) -> "_RunTerms":
        ends = np.array(self.ends, np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        return _RunTerms(starts, ends - starts, np.array(self.terms, np.int32), np.array(self.lengths))


@dataclass(frozen=True, eq=False)
class _RunTerms:
    """Run r has the terms terms[starts[r]…starts[r] + counts[r]] and adds lengths[r] to a text's length."""

    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.float64]

    def build_entries(
        self, number: npt.NDArray[np.int32], doc: npt.NDArray[np.int32], norm: npt.NDArray[np.float32], start: int
    ) -> "Entries":
        """Return terms, documents (from 0) and weights of POSTINGS_BATCH documents from `start` on."""
        first, last = np.searchsorted(doc, [start, start + POSTINGS_BATCH])
        run, entry_docs = number[first:last], doc[first:last]
        counts = self.counts[run]
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        terms = self.terms[np.repeat(self.starts[run], counts) + inside]
        return terms, np.repeat(entry_docs - np.int32(start), counts), np.repeat(norm[entry_docs], counts)


def build_segment(
    documents: Documents,
    rows: npt.NDArray[np.int32],
    *,
    n: int,
    pivots: Pivots | None = None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[IndexSegment, Pivots]:
    """Build the segment of documents at rows of an index of n, and the mean lengths used (computed unless given as pivots).

    pause is called between pieces of a few milliseconds.
    """
    run_numbers = _RunNumbers()
    fields = [name for name in FIELDS if name in documents.texts]
    numbered_parts: dict[str, list[Numbered]] = {name: [] for name in fields}
    for batch, batch_documents in enumerate(documents.split(NORMALIZE_BATCH)):
        for name in fields:
            numbers, docs = _number_runs(batch_documents.texts[name], run_numbers)
            numbered_parts[name].append((numbers, docs + np.int32(batch * NORMALIZE_BATCH)))
            pause()
    numbered_fields = {
        name: tuple(np.concatenate(columns) for columns in zip(*numbered_parts[name], strict=True))
        for name in fields
        if numbered_parts[name]
    }
    run_terms = run_numbers.freeze()
    used_pivots: dict[str, float] = dict(pivots or {})
    norms: dict[str, npt.NDArray[np.float32]] = {}
    for name, (number, doc) in numbered_fields.items():
        lengths = np.bincount(doc, weights=run_terms.lengths[number], minlength=len(documents))
        if name not in used_pivots:
            used_pivots[name] = float(lengths[lengths > 0].mean()) if (lengths > 0).any() else 1.0
        field = FIELDS[name]
        norms[name] = (field.weight / (1 - field.b + field.b * lengths / used_pivots[name])).astype(np.float32)
    parts: list[Postings] = []
    for start in range(0, len(documents), POSTINGS_BATCH):
        entries = [
            run_terms.build_entries(number, doc, norms[name], start) for name, (number, doc) in numbered_fields.items()
        ]
        parts.append(
            _build_postings(entries, rows[start : start + POSTINGS_BATCH], n_terms=len(run_numbers.term_numbers))
        )
        pause()
    keys = [
        (key, row)
        for row, document_keys in zip(rows.tolist(), documents.keys, strict=True)
        for key in list_spellings(document_keys)
    ]
    pause()
    texts = list(run_numbers.term_numbers)
    return assemble_segment([(texts, postings) for postings in parts], keys=keys), used_pivots


def list_spellings(keys: Sequence[str]) -> list[str]:
    """Return the normalized keys of a document, and model numbers also without their punctuation, with a sign that tells them apart."""
    normalized = dict.fromkeys(key for key in (normalize(key.strip()) for key in keys) if key)
    compact = ((compact_key(key), key) for key in normalized)
    return [*normalized, *dict.fromkeys(f"{COMPACT_SIGN}{word}" for word, key in compact if word not in ("", key))]


type Numbered = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]  # runs, and the document of each
type Entries = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]  # terms, documents, weights


def _number_runs(column: Sequence[str], run_numbers: _RunNumbers) -> Numbered:
    """Return the runs of all texts as numbers, and the text index of each."""
    # One call of normalize and of the regular expression for many texts is much faster than one call per text.
    joined = BREAK.join([text[:MAX_CHARACTERS].replace(BREAK, " ") for text in column])
    numbers = np.array(list(map(run_numbers.__getitem__, RUN.findall(normalize(joined)))), np.int32)
    breaks = numbers == 0
    return numbers[~breaks], np.cumsum(breaks, dtype=np.int32)[
        ~breaks
    ]  # the breaks before a run count the texts before it


def _build_postings(entries: Sequence[Entries], rows: npt.NDArray[np.int32], *, n_terms: int) -> "Postings":
    """Sum the fields' weights per term and document and convert them to impacts."""
    terms, docs, weights = (np.concatenate(columns) for columns in zip(*entries, strict=True))
    summed = csr_matrix((weights, (terms, docs)), shape=(n_terms, len(rows)))
    frequency = summed.data.astype(np.float64)
    # At least 1, because an impact of 0 would be no match.
    impacts = np.maximum(np.rint(frequency / (K1 + frequency) * 65_535), 1).astype(np.uint16)
    return summed.indptr, rows[summed.indices], impacts


type Postings = tuple[npt.NDArray[np.integer], npt.NDArray[np.int32], npt.NDArray[np.uint16]]


def assemble_segment(
    parts: Sequence[tuple[Sequence[str], Postings]], *, keys: Sequence[tuple[str, int]]
) -> IndexSegment:
    """Merge postings (indptr, docs, impacts by each part's own terms) of parts that share no document.

    Terms without documents are dropped.
    """
    all_terms = sorted({term for texts, (indptr, _, _) in parts for term in _list_used_terms(texts, indptr)})
    number_of = {term: number for number, term in enumerate(all_terms)}
    renumberings = [
        np.fromiter((number_of.get(term, -1) for term in texts), np.int64, len(texts)) for texts, _ in parts
    ]
    counts = np.zeros(len(all_terms), np.int64)
    for numbers, (_, (part_indptr, _, _)) in zip(renumberings, parts, strict=True):
        is_kept = numbers >= 0
        counts[numbers[is_kept]] += np.diff(part_indptr)[is_kept]
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    docs, impacts = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.uint16)
    filled = indptr[:-1].copy()  # where the next posting of each term goes
    for numbers, (_, (part_indptr, part_docs, part_impacts)) in zip(renumberings, parts, strict=True):
        frozen_part = freeze(part_indptr.astype(np.int64)), freeze(part_docs), freeze(part_impacts)
        kernels.scatter_postings(numbers, *frozen_part, filled, docs, impacts)
    names, inverse = IdMap.number_ids([key for key, _ in keys])
    by_key = np.argsort(inverse, kind="stable")
    key_indptr = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(inverse, minlength=len(names)), out=key_indptr[1:])
    key_rows = np.array([row for _, row in keys], np.int32)[by_key]
    return IndexSegment(
        Vocabulary.of(all_terms),
        freeze(indptr),
        freeze(docs),
        freeze(impacts),
        names,
        freeze(key_indptr),
        freeze(key_rows),
    )


def _list_used_terms(texts: Sequence[str], indptr: npt.NDArray[np.integer]) -> list[str]:
    has_documents = np.diff(indptr) > 0
    return [text for text, is_used in zip(texts, has_documents.tolist(), strict=True) if is_used]
