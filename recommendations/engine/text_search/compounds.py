"""Compound words: icecream for ice cream, and tooth paste for toothpaste, where the index has the other form."""

from collections.abc import Callable

from recommendations.engine.text_search.synonyms import TermSet
from recommendations.engine.text_search.tokens import singularize

MIN_PART = 3  # characters; shorter parts of a word are rarely words
MAX_SPLIT_LENGTH = 24

type CountDocuments = Callable[[str], int]


def find_joined(first: str, second: str, count: CountDocuments) -> TermSet | None:
    """Return two neighboring words as one if the index has it."""
    if not (first.isalpha() and second.isalpha()):
        return None
    joined = singularize(first + second)
    return (joined,) if count(joined) else None


def find_split(word: str, count: CountDocuments) -> TermSet | None:
    """Return the two words of the index that a word consists of: those of which the rarer is the most frequent."""
    if not word.isalpha() or not 2 * MIN_PART <= len(word) <= MAX_SPLIT_LENGTH:
        return None
    best, best_count = None, 0
    for end in range(MIN_PART, len(word) - MIN_PART + 1):
        first, second = singularize(word[:end]), word[end:]
        if (n_first := count(first)) > best_count and (n_second := count(second)) > best_count:
            best, best_count = (first, second), min(n_first, n_second)
    return best
