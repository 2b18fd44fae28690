"""Compound words: icecream for ice cream, and tooth paste for toothpaste, where the index has the other form."""

import math
from collections.abc import Callable, Sequence

from recommendations.engine.text_search.corrections import CorrectionCandidate
from recommendations.engine.text_search.synonyms import TermSet
from recommendations.engine.text_search.tokens import singularize

MIN_PART = 3  # characters; shorter parts of a word are rarely words
MAX_SPLIT_LENGTH = 24
MIN_MISSPELLED = 4
MAX_NEAR = 4

type CountDocuments = Callable[[str], int]
type CountTogether = Callable[[TermSet], int]
type FindNear = Callable[[str], Sequence[CorrectionCandidate]]


def find_joined(first: str, second: str, count: CountDocuments) -> TermSet | None:
    """Return two neighboring words as one if the index has it."""
    if not (first.isalpha() and second.isalpha()):
        return None
    joined = singularize(first + second)
    return (joined,) if count(joined) else None


def find_split(word: str, count: CountDocuments) -> TermSet | None:
    """Return the two words of the index that a word consists of; of several splits, the one whose rarer word is most frequent."""
    if not word.isalpha() or not 2 * MIN_PART <= len(word) <= MAX_SPLIT_LENGTH:
        return None
    best, best_count = None, 0
    for end in range(MIN_PART, len(word) - MIN_PART + 1):
        first, second = singularize(word[:end]), word[end:]
        if (n_first := count(first)) > best_count and (n_second := count(second)) > best_count:
            best, best_count = (first, second), min(n_first, n_second)
    return best


def find_loose_split(
    word: str, count: CountDocuments, count_together: CountTogether, find_near: FindNear
) -> TermSet | None:
    """Return the two words that an unknown word consists of, of which one may be misspelled; None if there are none.

    A split into two known words is preferred, even if no document has both. If one part is misspelled, a document must have both words.
    """
    if split := find_split(word, count):
        return split
    if not word.isalpha() or not MIN_PART + MIN_MISSPELLED <= len(word) <= MAX_SPLIT_LENGTH:
        return None
    splits = [(word[:end], word[end:]) for end in range(MIN_PART, len(word) - MIN_PART + 1)]
    found: list[tuple[float, TermSet]] = []
    for first, second in splits:
        for known, other, is_first in ((first, second, True), (second, first, False)):
            if len(other) < MIN_MISSPELLED or not count(singularize(known)):
                continue
            typed = singularize(other)
            ranked = sorted(find_near(typed), key=lambda candidate: -candidate.rate(typed))
            for near in ranked[:MAX_NEAR]:
                if together := count_together((singularize(known), near.word)):
                    parts = (known, near.word) if is_first else (near.word, singularize(known))
                    found.append((near.rate(typed) + math.log(together), parts))
    return max(found)[1] if found else None
