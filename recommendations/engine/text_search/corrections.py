"""Corrections of misspelled words by the words of the documents and their frequency."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.text_search.vocabulary import is_correctable

MAX_WEIGHED = 24  # candidates whose documents are weighed
# Costs in units of ln(frequency): one more edit needs a word fifty times as frequent.
EDIT_COST = 4.0
FIRST_LETTER_COST = 2.5  # typing errors rarely change the first letter
DOUBLED_LETTER_GAIN = 1.5  # letters doubled or not are the most common error
UNLIKELY_KEY_COST = 1.0  # a wrong letter that is neither next to the right one on the keyboard nor sounds similar
COMMON_ERROR_GAIN = 0.75  # two letters swapped, or one missing

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SIMILAR_LETTERS = (
    *({first, second} for row in _KEYBOARD for first, second in pairwise(row)),
    *({first, second} for upper, lower in pairwise(_KEYBOARD) for first, second in zip(upper, lower, strict=False)),
    *({first, second} for upper, lower in pairwise(_KEYBOARD) for first, second in zip(upper[1:], lower, strict=False)),
    set("aeiouy"),
    *map(set, ("ckq", "csz", "gj", "fv", "mn", "bp", "dt")),
)

type RowWeights = Callable[[Rows], npt.NDArray[np.floating]]
type CountPeople = Callable[
    [str, frozenset[str]], float
]  # (word, the other words of the query) → number of people who searched for it
PRIOR_PEOPLE = 20.0  # the documents count as much as this many people


@dataclass(frozen=True)
class CorrectionCandidate:
    """A word of the index near a typed one, with its edits and the weight of its documents."""

    word: str
    edits: int
    weight: float

    def rate(self, typed: str) -> float:
        """Return how likely the word was meant: ln of its frequency minus the cost of the edits.

        The noisy channel of M. Kernighan, K. Church, W. Gale, "A spelling correction program based on a noisy channel model" (COLING 1990),
        with costs by kind of edit instead of a matrix of errors.
        """
        cost = EDIT_COST * self.edits
        if self.word[0] != typed[0]:
            cost += FIRST_LETTER_COST
        if collapse_doubled(self.word) == collapse_doubled(typed):
            cost -= DOUBLED_LETTER_GAIN * self.edits
        elif self.edits == 1 and (len(self.word) > len(typed) or sorted(self.word) == sorted(typed)):
            cost -= COMMON_ERROR_GAIN
        elif self.edits == 1 and is_unlikely_replacement(self.word, typed):
            cost += UNLIKELY_KEY_COST
        return math.log(self.weight + 1e-9) - cost


def weigh_by_people(
    candidates: Sequence[CorrectionCandidate], count_people: CountPeople, others: frozenset[str]
) -> list[CorrectionCandidate]:
    """Return the candidates with weights from the documents and from the people who searched for each word.

    The share of a word is (PRIOR_PEOPLE · its share of the documents' weight + its people) / (PRIOR_PEOPLE + all people), a Dirichlet prior.
    The sum of the weights does not change; without people none of them does.
    """
    people = [count_people(candidate.word, others) for candidate in candidates]
    total, searched = sum(candidate.weight for candidate in candidates), sum(people)
    if not searched or not total:
        return list(candidates)
    return [
        replace(
            candidate,
            weight=(PRIOR_PEOPLE * candidate.weight + total * count) / (PRIOR_PEOPLE + searched),
        )
        for candidate, count in zip(candidates, people, strict=True)
    ]


def is_unlikely_replacement(word: str, typed: str) -> bool:
    """Return whether the words differ in one letter that is seldom mistaken for the other."""
    if len(word) != len(typed):
        return False
    differing = [{first, second} for first, second in zip(word, typed, strict=True) if first != second]
    return len(differing) == 1 and not any(differing[0] <= letters for letters in SIMILAR_LETTERS)


def collapse_doubled(word: str) -> str:
    """Return the word with equal neighboring letters as one."""
    return "".join(letter for position, letter in enumerate(word) if position == 0 or letter != word[position - 1])


def get_max_edits(term: str, *, has_no_match: bool) -> int:
    """Return the allowed edits: 1 from 4 letters on and 2 from 8; for a word without matches, 1 from 3 letters on and 2 from 5.

    0 for numbers, which are never misspellings.
    """
    if not is_correctable(term):
        return 0
    if has_no_match:
        return (len(term) >= 3) + (len(term) >= 5)
    return (len(term) >= 4) + (len(term) >= 8)
