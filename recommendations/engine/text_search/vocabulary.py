"""The different terms of a segment in the order of their characters, to be found by word, by beginning and by likeness."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.tokens import is_unspaced

MOST_NEAR = 4096  # terms that a misspelt word may resemble


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Term t is letters[offsets[t]…offsets[t + 1]], as code points. marks: its signature, 0 where it is no word that is misspelt."""

    PARTS: ClassVar[tuple[str, ...]] = ("letters", "offsets", "marks")

    letters: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int32]
    marks: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, terms: Sequence[str]) -> "Vocabulary":
        """Of different terms in sorted order."""
        letters = code_points("".join(terms))
        offsets = np.zeros(len(terms) + 1, np.int32)
        np.cumsum(np.fromiter(map(len, terms), np.int32, len(terms)), out=offsets[1:])
        marks = np.zeros(len(terms), np.uint64)
        kernels.signatures(letters, offsets, np.fromiter(map(may_be_misspelt, terms), np.bool_, len(terms)), marks)
        return cls(letters, frozen(offsets), frozen(marks))

    def __len__(self) -> int:
        return len(self.marks)

    def term(self, number: int) -> str:
        return self.letters[self.offsets[number] : self.offsets[number + 1]].tobytes().decode("utf-32-le")

    def terms(self) -> list[str]:
        whole = self.letters.tobytes().decode("utf-32-le")
        ends = self.offsets.tolist()
        return [whole[start:end] for start, end in pairwise(ends)]

    def find(self, word: str, *, prefix: bool = False) -> tuple[int, int]:
        """First term that is the word (or begins with it) and the one after the last; equal where there is none."""
        return kernels.term_range(self.letters, self.offsets, code_points(word), prefix)

    def near(self, word: str, *, most: int, prefix: bool = False) -> list[tuple[int, int]]:
        """(term, edits) of the words that differ by 1…most edits; with prefix their beginning need not differ by more."""
        terms, distances = np.empty(MOST_NEAR, np.int32), np.empty(MOST_NEAR, np.int32)
        count = kernels.near_terms(
            self.letters, self.offsets, self.marks, code_points(word), most, prefix, terms, distances
        )
        return list(zip(terms[:count].tolist(), distances[:count].tolist(), strict=True))


def may_be_misspelt(term: str) -> bool:
    """A word of letters; another number is another thing, and pieces of Chinese words are all alike."""
    return term.isalpha() and not is_unspaced(term)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    return frozen(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32))


def frozen[S: np.generic](array: npt.NDArray[S]) -> npt.NDArray[S]:
    """Read-only as what is mapped from disk is, so that one compilation of a kernel serves both."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
