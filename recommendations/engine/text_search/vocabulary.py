"""The distinct terms of a segment, sorted, to be found by word, prefix and similarity."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.tokens import is_unspaced

MAX_NEAR_TERMS = 4096  # candidates for a misspelled word


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Term t is letters[offsets[t]…offsets[t + 1]] as code points. marks: its signature, 0 if it is never a correction."""

    PARTS: ClassVar[tuple[str, ...]] = ("letters", "offsets", "marks")

    letters: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int32]
    marks: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, terms: Sequence[str]) -> "Vocabulary":
        """Build from distinct, sorted terms."""
        letters = encode_code_points("".join(terms))
        offsets = np.zeros(len(terms) + 1, np.int32)
        np.cumsum(np.fromiter(map(len, terms), np.int32, len(terms)), out=offsets[1:])
        marks = np.zeros(len(terms), np.uint64)
        kernels.compute_signatures(
            letters, offsets, np.fromiter(map(is_correctable, terms), np.bool_, len(terms)), marks
        )
        return cls(letters, freeze(offsets), freeze(marks))

    def __len__(self) -> int:
        return len(self.marks)

    def get_term(self, number: int) -> str:
        return self.letters[self.offsets[number] : self.offsets[number + 1]].tobytes().decode("utf-32-le")

    def list_terms(self) -> list[str]:
        all_letters = self.letters.tobytes().decode("utf-32-le")
        ends = self.offsets.tolist()
        return [all_letters[start:end] for start, end in pairwise(ends)]

    def find(self, word: str, *, prefix: bool = False) -> tuple[int, int]:
        """Return the first term equal to the word (or with that prefix) and the one after the last; equal numbers if there is none."""
        return kernels.find_term_range(self.letters, self.offsets, encode_code_points(word), prefix)

    def find_near(self, word: str, *, max_edits: int, prefix: bool = False) -> list[tuple[int, int]]:
        """Return (term, edits) of words with 1…max_edits edits; with prefix, edits of the beginning only."""
        terms, distances = np.empty(MAX_NEAR_TERMS, np.int32), np.empty(MAX_NEAR_TERMS, np.int32)
        count = kernels.find_near_terms(
            self.letters, self.offsets, self.marks, encode_code_points(word), max_edits, prefix, terms, distances
        )
        return list(zip(terms[:count].tolist(), distances[:count].tolist(), strict=True))


def is_correctable(term: str) -> bool:
    """Return whether a term may be a misspelling: numbers differ in meaning, and pieces of Chinese words are all similar."""
    return term.isalpha() and not is_unspaced(term)


def encode_code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of any text; lone surrogates, which a request may contain, are code points too."""
    return freeze(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))


def freeze[S: np.generic](array: npt.NDArray[S]) -> npt.NDArray[S]:
    """Return a read-only view like a memory-mapped array, so that one kernel compilation serves both."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
