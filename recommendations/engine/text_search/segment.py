"""A part of an index: terms, and for each the documents that hold it with how well they do. Never changed once made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from recommendations.engine.ids import IdMap
from recommendations.engine.text_search.documents import FIELDS, Documents
from recommendations.engine.text_search.tokens import BREAK, RUN, document_terms, length, normal
from recommendations.engine.text_search.vocabulary import Vocabulary, frozen

K1 = 1.2  # how soon more of a word counts little more
AT_ONCE = 2000  # documents whose texts are taken apart together
MOST_CHARACTERS = 2000  # of a text; what comes later is hardly what a product is

type Pivots = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Segment:
    """Postings of term t: docs[indptr[t]…indptr[t + 1]] (rows of the index, rising) and their impacts.

    The impact is BM25F's saturated frequency, f / (k1 + f) in 65,535ths with
    f = Σ over fields of weight · count / (1 − b + b · length / pivot),
    pivot the mean length of the field's texts: S. Robertson, H. Zaragoza, M. Taylor, "Simple BM25 extension to multiple weighted
    fields" (CIKM 2004); S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework" (2009), section 3.6.
    keys are the outside names of documents, key_rows[key_indptr[k]…key_indptr[k + 1]] the rows that go by key k.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("indptr", "docs", "impacts", "key_indptr", "key_rows")

    vocabulary: Vocabulary
    indptr: npt.NDArray[np.int64]
    docs: npt.NDArray[np.int32]
    impacts: npt.NDArray[np.uint16]
    keys: IdMap
    key_indptr: npt.NDArray[np.int64]
    key_rows: npt.NDArray[np.int32]

    def rows_of_key(self, key: str) -> npt.NDArray[np.int32]:
        place = self.keys.row(key) if len(self.keys) else -1
        return self.key_rows[self.key_indptr[place] : self.key_indptr[place + 1]] if place >= 0 else self.key_rows[:0]

    @cached_property
    def megabytes(self) -> float:
        return sum(array.nbytes for array in self.arrays().values()) / 1e6

    def arrays(self) -> dict[str, npt.NDArray]:
        """Everything needed to have the same segment again."""
        own = {name: getattr(self, name) for name in self.PARTS}
        terms = {f"vocabulary.{name}": getattr(self.vocabulary, name) for name in Vocabulary.PARTS}
        return own | terms | {f"keys.{name}": array for name, array in self.keys.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "Segment":
        """The segment of `arrays()`; memory-mapped arrays stay so."""
        return cls(
            vocabulary=Vocabulary(*(frozen(arrays[f"vocabulary.{name}"]) for name in Vocabulary.PARTS)),
            keys=IdMap.from_arrays({name: arrays[f"keys.{name}"] for name in IdMap.PARTS}),
            **{name: frozen(arrays[name]) for name in cls.PARTS},
        )


class _Runs(dict[str, int]):
    """A number for each different run of the texts, and its terms; filled as runs are looked up."""

    def __init__(self) -> None:
        super().__init__({BREAK: 0})
        self.term_numbers: dict[str, int] = {}
        self.terms: list[int] = []  # of all runs, one after the other
        self.ends: list[int] = [0]
        self.lengths: list[float] = [0.0]

    def __missing__(self, run: str) -> int:
        number = self[run] = len(self.ends)
        self.terms += [self.term_numbers.setdefault(term, len(self.term_numbers)) for term in document_terms(run)]
        self.ends.append(len(self.terms))
        self.lengths.append(length(run))
        return number


def build(
    documents: Documents,
    rows: npt.NDArray[np.int32],
    *,
    n: int,
    pivots: Pivots | None = None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[Segment, Pivots]:
    """The segment of documents at the given rows of an index of n, and the pivots it was made with: the mean lengths by default.

    pause is called between pieces of a few milliseconds.
    """
    known = _Runs()
    found = {name: ([], []) for name in FIELDS if name in documents.texts}  # type: dict[str, tuple[list, list]]
    for place, part in enumerate(documents.parts(AT_ONCE)):
        for name, column in part.texts.items():
            numbers, docs = _numbered(column, known)
            found[name][0].append(numbers)
            found[name][1].append(docs + place * AT_ONCE)
            pause()
    ends, flat = np.array([0, *known.ends[1:]], np.int64), np.array(known.terms, np.int32)
    starts = np.concatenate([[0], ends[:-1]])
    lengths = np.array(known.lengths)
    used: dict[str, float] = dict(pivots or {})
    terms, places, values = [np.empty(0, np.int32)], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    for name, (numbers, docs) in found.items():
        number, doc = np.concatenate(numbers or [starts[:0]]), np.concatenate(docs or [starts[:0]])
        total = np.bincount(doc, weights=lengths[number], minlength=len(documents))
        if name not in used:
            used[name] = float(total[total > 0].mean()) if (total > 0).any() else 1.0
        field = FIELDS[name]
        value = (field.weight / (1 - field.b + field.b * total / used[name])).astype(np.float32)
        counts = ends[number] - starts[number]
        inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        terms.append(flat[np.repeat(starts[number], counts) + inside])
        places.append(np.repeat(doc, counts).astype(np.int32))
        values.append(np.repeat(value[doc], counts))
        pause()
    held = csr_matrix(
        (np.concatenate(values), (np.concatenate(terms), np.concatenate(places))),
        shape=(len(known.term_numbers), len(documents)),
    )  # adds up what falls on one place
    frequency = held.data.astype(np.float64)
    impacts = np.maximum(np.rint(frequency / (K1 + frequency) * 65_535), 1).astype(np.uint16)
    pause()
    keys = [(normal(key.strip()), row) for row, own in zip(rows.tolist(), documents.keys, strict=True) for key in own]
    texts = list(known.term_numbers)
    postings = (held.indptr, rows[held.indices], impacts)
    return assemble([(texts, postings)], keys=[(key, row) for key, row in keys if key], n=n), used


def _numbered(column: Sequence[str], known: _Runs) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The runs of all texts as numbers, and the place of the text that each is of."""
    whole = BREAK.join([text[:MOST_CHARACTERS].replace(BREAK, " ") for text in column])
    numbers = np.array(list(map(known.__getitem__, RUN.findall(normal(whole)))), np.int64)
    breaks = numbers == 0
    return numbers[~breaks], np.cumsum(breaks)[~breaks]


type Postings = tuple[npt.NDArray[np.integer], npt.NDArray[np.int32], npt.NDArray[np.uint16]]


def assemble(parts: Sequence[tuple[Sequence[str], Postings]], *, keys: Sequence[tuple[str, int]], n: int) -> Segment:
    """One segment of the postings (indptr, docs, impacts by the part's own terms) of parts that share no document.

    Terms that no document holds are left out.
    """
    every = sorted({term for texts, (indptr, _, _) in parts for term in _held(texts, indptr)})
    places = {term: place for place, term in enumerate(every)}
    terms, docs, impacts = [], [], []
    for texts, (indptr, part_docs, part_impacts) in parts:
        new = np.fromiter((places.get(term, -1) for term in texts), np.int64, len(texts))
        terms.append(np.repeat(new, np.diff(indptr)))
        docs.append(part_docs)
        impacts.append(part_impacts)
    term, doc = np.concatenate(terms), np.concatenate(docs)
    order = np.argsort(term * n + doc, kind="stable")
    indptr = np.zeros(len(every) + 1, np.int64)
    np.cumsum(np.bincount(term, minlength=len(every)), out=indptr[1:])
    names, inverse = IdMap.numbered([key for key, _ in keys])
    by_key = np.argsort(inverse, kind="stable")
    key_indptr = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(inverse, minlength=len(names)), out=key_indptr[1:])
    key_rows = np.array([row for _, row in keys], np.int32)[by_key]
    return Segment(
        Vocabulary.of(every),
        frozen(indptr),
        frozen(doc[order].astype(np.int32)),
        frozen(np.concatenate(impacts)[order]),
        names,
        frozen(key_indptr),
        frozen(key_rows),
    )


def _held(texts: Sequence[str], indptr: npt.NDArray[np.integer]) -> list[str]:
    some = np.diff(indptr) > 0
    return [text for text, held in zip(texts, some.tolist(), strict=True) if held]
