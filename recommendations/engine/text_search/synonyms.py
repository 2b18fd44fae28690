"""Synonyms: terms with the same meaning, or terms that imply others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from recommendations.engine.text_search.tokens import (
    is_unspaced,
    iterate_runs,
    list_document_terms,
    normalize,
    split_into_words,
)
from recommendations.engine.text_search.vocabulary import Vocabulary, is_correctable

type Atoms = tuple[str, ...]
type TermSet = tuple[str, ...]  # terms of which a document must contain all
MAX_NAME_TERMS = 64
# Weights relative to the word itself.
SYNONYM_FACTOR = 0.9
RELATED_FACTOR = (
    0.5  # of the other words if a group implies the name itself, except translations: muffin => muffin, snack cake
)


class Alternative(NamedTuple):
    """What a name also finds: documents with all these terms, at this weight."""

    terms: TermSet
    factor: float = SYNONYM_FACTOR


def split_into_atoms(text: str) -> Atoms:
    """Split a text into words and single characters of unspaced text."""
    parts: list[str] = []
    for run in iterate_runs(normalize(text)):
        parts += run.text if run.is_unspaced else split_into_words(run.text)
    return tuple(parts)


def split_into_terms(text: str) -> TermSet:
    """Return all terms of a document that contains the text; for unspaced text its pieces of two characters."""
    parts: list[str] = []
    for run in iterate_runs(normalize(text)):
        if run.is_unspaced:
            parts += list_document_terms(run.text)[len(run.text) :] or [run.text]
        else:
            parts += split_into_words(run.text)
    return tuple(dict.fromkeys(parts))


@dataclass(frozen=True)
class Synonyms:
    """by_first: first atom of a name → (all its atoms, alternatives), longest names first."""

    by_first: dict[str, list[tuple[Atoms, list[Alternative]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[tuple[Sequence[str], Sequence[str]]]) -> "Synonyms":
        """Build from (names, others). Without others all names are equivalent; otherwise each name implies the others."""
        factors: dict[Atoms, dict[TermSet, float]] = {}
        for names, others in groups:
            for name in names:
                atoms = split_into_atoms(name)
                if not 0 < len(atoms) <= MAX_NAME_TERMS:
                    continue
                has_related = atoms in map(split_into_atoms, others)
                for other in others or names:
                    is_translation = is_unspaced(normalize(name)) != is_unspaced(normalize(other))
                    factor = RELATED_FACTOR if has_related and not is_translation else SYNONYM_FACTOR
                    if (terms := split_into_terms(other)) and split_into_atoms(other) != atoms:
                        known = factors.setdefault(atoms, {})
                        known[terms] = max(factor, known.get(terms, 0.0))
        # Longest names first, so that find_at yields them first.
        by_first: dict[str, list[tuple[Atoms, list[Alternative]]]] = {}
        for atoms, by_terms in sorted(factors.items(), key=lambda entry: (-len(entry[0]), entry[0])):
            by_first.setdefault(atoms[0], []).append((atoms, list(map(Alternative._make, by_terms.items()))))
        return cls(by_first)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Return the words of the names, to correct misspelled ones."""
        names = (name for entries in self.by_first.values() for name, _others in entries)
        return Vocabulary.of(sorted({atom for name in names for atom in name if is_correctable(atom)}))

    @cached_property
    def joined_names(self) -> dict[str, Atoms]:
        """Return the names of two words by their letters without the space: tinfoil for tin foil."""
        names = (name for entries in self.by_first.values() for name, _others in entries)
        return {"".join(name): name for name in names if len(name) == 2 and all(map(is_correctable, name))}

    def find_others(self, word: str) -> list[Alternative]:
        """Return the alternatives of a name of one word."""
        return next((others for end, others in self.find_at((word,), 0) if end == 1), [])

    def list_names(self, text: str) -> list[frozenset[str]]:
        """Return the terms of a text and, if it is a name as a whole, those of its synonyms, without related words."""
        atoms = split_into_atoms(text)
        ends = self.find_at(atoms, 0) if atoms else ()
        others = [others for end, others in ends if end == len(atoms)]
        synonyms = [frozenset(other.terms) for other in others[0] if other.factor >= SYNONYM_FACTOR] if others else []
        return [frozenset(split_into_terms(text)), *synonyms]

    def find_at(self, atoms: Atoms, start: int) -> Iterator[tuple[int, list[Alternative]]]:
        """Yield (end, alternatives) of the names that begin at `start`, longest first."""
        for name, others in self.by_first.get(atoms[start], ()):
            if atoms[start : start + len(name)] == name:
                yield start + len(name), others
