"""The result of a search: the matching documents, their scores, and the corrections of the query."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.text_search.tokens import iterate_runs, normalize, split_into_words


@dataclass(frozen=True)
class Correction:
    """A word without matches, and the word searched instead; fits: whether a document has it together with another word of the query."""

    typed: str
    meant: str
    fits: bool = True


@dataclass(frozen=True, eq=False)
class Matches:
    """The matches of a query: rows in ascending order, their text scores, and how many query terms each covers (at least 1).

    n_required: number of required query terms; exact: rows with the query as a key; words: terms searched; prefixes: terms that longer words
    match too; corrected: the query with its corrections, None without any. levels: n_covered with the head of the query counting more, full_level:
    that of a document with all words.
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
    levels: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    full_level: int = 0

    def highlight(self, text: str) -> list[tuple[str, bool]]:
        """Split the text into pieces, each with whether it matches the query."""
        normal = normalize(text)
        if len(normal) != len(text):  # normalizing changed the length, so positions do not map back
            return [(text, False)]
        is_match = np.zeros(len(text), np.bool_)
        for run in iterate_runs(normal):
            if run.is_unspaced:
                # Unspaced text is indexed by single characters and pairs, so either may be a search term.
                for start in range(run.start, run.end):
                    for size in (1, 2):
                        if normal[start : min(start + size, run.end)] in self.words:
                            is_match[start : start + size] = True
            elif any(word in self.words or word.startswith(self.prefixes) for word in split_into_words(run.text)):
                is_match[run.start : run.end] = True
        edges = [0, *(np.flatnonzero(np.diff(is_match)) + 1).tolist(), len(text)]
        return [(text[start:end], bool(is_match[start])) for start, end in pairwise(edges) if end > start]
