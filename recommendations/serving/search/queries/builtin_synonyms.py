"""The retail synonyms that are part of the product; each group can be replaced or disabled in the back office."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from recommendations.engine.text_search.tokens import is_unspaced

FILE = Path(__file__).with_name("builtin_synonyms.txt")
ARROW = "=>"


class BuiltinSynonym(NamedTuple):
    """A group of the file; key: identifies it."""

    terms: tuple[str, ...]
    replacements: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.terms[0] if not self.replacements else f"{self.terms[0]} {ARROW} {self.replacements[0]}"


@cache
def read_builtin_synonyms() -> tuple[BuiltinSynonym, ...]:
    """Return the groups of the file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(group for line in lines if line.strip() and not line.startswith("#") for group in parse_groups(line))


def parse_groups(line: str) -> list[BuiltinSynonym]:
    """Parse a line such as "tv, television" or "soda => soft drink".

    A line in two languages gives a group for each: 鸡腿 finds chicken drum and chicken thigh, but these do not find each other.
    """
    names, _arrow, others = line.partition(ARROW)
    terms, replacements = split_terms(names), split_terms(others)
    unspaced = tuple(term for term in terms if is_unspaced(term))
    if replacements or len(unspaced) in (0, len(terms)):
        return [BuiltinSynonym(terms, replacements)]
    spaced = tuple(term for term in terms if term not in unspaced)
    # a single character also occurs in words with other meanings: 茶 in 茶壶
    words = tuple(term for term in unspaced if len(term) > 1)
    groups = [BuiltinSynonym(unspaced, (*words, *spaced))]
    return [*groups, BuiltinSynonym(spaced, words)] if words else groups


def split_terms(text: str) -> tuple[str, ...]:
    return tuple(term for part in text.split(",") if (term := part.strip()))
