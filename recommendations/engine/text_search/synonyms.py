"""Words that mean the same, or one of which means the others too."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from recommendations.engine.text_search.tokens import document_terms, normal, runs, words

type Atoms = tuple[str, ...]
type Together = tuple[str, ...]  # terms of which a document must hold all
LONGEST_NAME = 64


def atoms_of(text: str) -> Atoms:
    """The places of a text: a word each, and each character of what is written without spaces."""
    found: list[str] = []
    for run in runs(normal(text)):
        found += run.text if run.unspaced else words(run.text)
    return tuple(found)


def terms_of(text: str) -> Together:
    """All terms that a document holds which says the text: of an unspaced word its pieces of two characters."""
    found: list[str] = []
    for run in runs(normal(text)):
        if run.unspaced:
            found += document_terms(run.text)[len(run.text) :] or [run.text]
        else:
            found += words(run.text)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Synonyms:
    """by_first: from the first place of a name to (all its places, what else is looked for where it stands), longest names first."""

    by_first: dict[str, list[tuple[Atoms, list[Together]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[tuple[Sequence[str], Sequence[str]]]) -> "Synonyms":
        """Of (names, others): without others all names mean the same; with others each name means these too, not the other way."""
        meant: dict[Atoms, dict[Together, None]] = {}
        for names, others in groups:
            for name in names:
                atoms = atoms_of(name)
                if not 0 < len(atoms) <= LONGEST_NAME:
                    continue
                for other in others or names:
                    if (together := terms_of(other)) and atoms_of(other) != atoms:
                        meant.setdefault(atoms, {})[together] = None
        by_first: dict[str, list[tuple[Atoms, list[Together]]]] = {}
        for atoms, others_of in sorted(meant.items(), key=lambda entry: (-len(entry[0]), entry[0])):
            by_first.setdefault(atoms[0], []).append((atoms, list(others_of)))
        return cls(by_first)

    def at(self, atoms: Atoms, start: int) -> Iterator[tuple[int, list[Together]]]:
        """(where it ends, what else is meant) for the names that stand at `start`, longest first."""
        for name, others in self.by_first.get(atoms[start], ()):
            if atoms[start : start + len(name)] == name:
                yield start + len(name), others
