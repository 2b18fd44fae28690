"""Synonyms: terms with the same meaning, or terms that imply others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from recommendations.engine.text_search.tokens import iterate_runs, list_document_terms, normalize, split_into_words
from recommendations.engine.text_search.vocabulary import Vocabulary, is_correctable

type Atoms = tuple[str, ...]
type TermSet = tuple[str, ...]  # terms of which a document must contain all
MAX_NAME_TERMS = 64


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

    by_first: dict[str, list[tuple[Atoms, list[TermSet]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[tuple[Sequence[str], Sequence[str]]]) -> "Synonyms":
        """Build from (names, others). Without others all names are equivalent; otherwise each name implies the others."""
        alternatives_of: dict[Atoms, dict[TermSet, None]] = {}
        for names, others in groups:
            for name in names:
                atoms = split_into_atoms(name)
                if not 0 < len(atoms) <= MAX_NAME_TERMS:
                    continue
                for other in others or names:
                    if (terms := split_into_terms(other)) and split_into_atoms(other) != atoms:
                        alternatives_of.setdefault(atoms, {})[terms] = None
        # Longest names first, so that find_at yields them first.
        by_first: dict[str, list[tuple[Atoms, list[TermSet]]]] = {}
        for atoms, alternatives in sorted(alternatives_of.items(), key=lambda entry: (-len(entry[0]), entry[0])):
            by_first.setdefault(atoms[0], []).append((atoms, list(alternatives)))
        return cls(by_first)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Return the words of the names, to correct misspelled ones."""
        names = (name for entries in self.by_first.values() for name, _others in entries)
        return Vocabulary.of(sorted({atom for name in names for atom in name if is_correctable(atom)}))

    def find_others(self, word: str) -> list[TermSet]:
        """Return the alternatives of a name of one word."""
        return next((others for end, others in self.find_at((word,), 0) if end == 1), [])

    def find_at(self, atoms: Atoms, start: int) -> Iterator[tuple[int, list[TermSet]]]:
        """Yield (end, alternatives) of the names that begin at `start`, longest first."""
        for name, others in self.by_first.get(atoms[start], ()):
            if atoms[start : start + len(name)] == name:
                yield start + len(name), others
