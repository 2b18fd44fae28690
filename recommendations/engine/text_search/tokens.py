"""Texts to search terms: folded words where words are separated by spaces, pieces of one and two characters where they are not."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# iteration marks, kana, Chinese characters: written without spaces
UNSPACED = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
BREAK = "\x00"  # between texts that are taken apart together
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
_LETTERS = rf"[^\W\d_{UNSPACED}][^\W_{UNSPACED}]*(?:['’][^\W\d_{UNSPACED}]+)*"
RUN = re.compile(rf"{BREAK}|[{UNSPACED}]+|{_LETTERS}(?:[-‐‑]{_LETTERS})*|\d+(?:\.\d+)*|[^\W_{UNSPACED}]+")
_HYPHEN = re.compile("[-‐‑]")
_APOSTROPHE = re.compile("['’]")
_ACCENTS = re.compile("[\u0300-\u036f]")
LONGEST = 40  # characters of a term; what is longer is no word
_SIBILANTS = ("sses", "xes", "ches", "shes", "zzes")


class Run(NamedTuple):
    """A piece of a normal text that is a word, a number or a row of unspaced characters; where it stands."""

    text: str
    start: int
    end: int

    @property
    def unspaced(self) -> bool:
        return is_unspaced(self.text)


def normal(text: str) -> str:
    """Lower case, full-width forms as ordinary ones, without accents; the same for whatever is equal to a reader."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", folded))


def is_unspaced(run: str) -> bool:
    return _UNSPACED_LETTER.match(run) is not None


def runs(normal_text: str) -> Iterator[Run]:
    for found in RUN.finditer(normal_text):
        if found[0] != BREAK:
            yield Run(found[0], found.start(), found.end())


def singular(word: str) -> str:
    """An English plural as its singular, by its ending (the S-stemmer of Harman 1991, "How effective is suffixing?").

    Two rules are added, for boxes, glasses, dishes and for tomatoes. It only has to treat both forms alike.
    """
    if len(word) < 4 or not word.endswith("s") or not word.isascii():
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else f"{word[:-3]}y"
    if word.endswith((*_SIBILANTS, "atoes")):
        return word[:-2]
    return word if word.endswith(("us", "ss")) else word[:-1]


def words(run: str) -> list[str]:
    """The folded words of a run with letters or digits; those of t-shirt are t and shirt."""
    return [singular(part) for part in _HYPHEN.split(_APOSTROPHE.sub("", run)) if part and len(part) <= LONGEST]


def in_one(run: str) -> str | None:
    """A run with hyphens as one word, tshirt; None without hyphens."""
    whole = _HYPHEN.sub("", _APOSTROPHE.sub("", run))
    return singular(whole) if len(whole) <= LONGEST and _HYPHEN.search(run) else None


def document_terms(run: str) -> tuple[str, ...]:
    """Under which terms a document is found that holds the run."""
    if not is_unspaced(run):
        whole = in_one(run)
        return (*words(run), whole) if whole else tuple(words(run))
    return (*run, *(run[start : start + 2] for start in range(len(run) - 1)))


def length(run: str) -> float:
    """How long a run makes a text, in words; an unspaced word has two characters on average."""
    return max(1.0, len(run) / 2) if is_unspaced(run) else float(1 + len(_HYPHEN.findall(run)))
