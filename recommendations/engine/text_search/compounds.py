"""Compound words: icecream for ice cream, tooth paste for toothpaste and iphone15 for iphone 15, where the index has the other form."""

import math
import re
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

from recommendations.engine.text_search.corrections import CorrectionCandidate
from recommendations.engine.text_search.synonyms import TermSet
from recommendations.engine.text_search.tokens import singularize

MIN_PART = 3  # characters; shorter parts of a word are rarely words
MAX_SPLIT_LENGTH = 24
MIN_MISSPELLED = 4
MAX_NEAR = 4
MAX_MODEL_PARTS = 4  # letters and digits in turn: wh 1000 xm 4
_MODEL_PART = re.compile(r"\d+|[^\W\d_]+")

type CountDocuments = Callable[[str], int]
type CountTogether = Callable[[TermSet], int]
type FindNear = Callable[[str], Sequence[CorrectionCandidate]]


def find_joined(first: str, second: str, count: CountDocuments) -> TermSet | None:
    """Return two neighboring words as one if the index has it."""
    if not (first.isalpha() and second.isalpha()):
        return None
    joined = singularize(first + second)
    return (joined,) if count(joined) else None


def find_joined_model(words: Sequence[str], count: CountDocuments) -> tuple[int, str] | None:
    """Return the longest model number of the index that the first words make, and how many: 2 and iphone15 for iphone, 15, pro.

    Letters and digits are in turn, because two numbers in a row are two numbers.
    """
    if not words or not words[0][:1].isalpha():
        return None
    joined, best = words[0], None
    for n_words, word in enumerate(words[1:MAX_MODEL_PARTS], 2):
        if not word.isalnum() or not joined.isalnum() or joined[-1].isdecimal() == word[0].isdecimal():
            break
        joined += word
        if count(joined):
            best = n_words, joined
    return best


def find_model_splits(word: str, count: CountDocuments) -> list[TermSet]:
    """Return the parts of a model number between letters and digits, if the index has all of them: iphone and 15 for iphone15.

    Neighboring parts may be one term, such as xm4 in WH-1000XM4. A letter and a number are no parts: a document with both is rarely meant.
    """
    parts = _MODEL_PART.findall(word)
    if not 2 <= len(parts) <= MAX_MODEL_PARTS or "".join(parts) != word:
        return []
    splits: list[TermSet] = []
    for n_borders in range(1, len(parts)):
        for borders in combinations(range(1, len(parts)), n_borders):
            edges = pairwise((0, *borders, len(parts)))
            split = tuple(singularize("".join(parts[first:last])) for first, last in edges)
            if not is_letter_with_number(split) and all(map(count, split)):
                splits.append(split)
    return splits


def is_letter_with_number(split: TermSet) -> bool:
    return len(split) == 2 and any(part.isalpha() and len(part) == 1 for part in split)


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
