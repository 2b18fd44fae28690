"""What is searched: texts of documents by field, and the keys by which a document is meant as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """weight: what a word in it is worth; b: how much a long text is worth less, 0 not at all, 1 in full."""

    weight: float
    b: float


# What is written in few words says most. Not learnt: no shop's clicks are known before it has some.
FIELDS: Mapping[str, Field] = {
    "title": Field(3.0, 0.5),
    "brand": Field(2.0, 0.3),
    "category": Field(1.2, 0.3),
    "tags": Field(1.2, 0.3),
    "attributes": Field(0.8, 0.5),
    "description": Field(0.4, 0.75),
}


@dataclass(frozen=True)
class Documents:
    """n documents as columns: texts by the name of a field, and the keys of each, such as its product id and its SKU.

    Errors: ValueError where columns differ in length, or a field has no weight.
    """

    keys: Sequence[Sequence[str]]
    texts: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        for name, column in self.texts.items():
            if name not in FIELDS:
                raise ValueError(f"There is no field {name!r}; there are {', '.join(FIELDS)}.")
            if len(column) != len(self.keys):
                raise ValueError(f"{name} has {len(column)} texts for {len(self.keys)} documents.")

    def __len__(self) -> int:
        return len(self.keys)

    def parts(self, size: int) -> Iterator["Documents"]:
        """The same, so many at a time."""
        for start in range(0, len(self), size):
            texts = {name: column[start : start + size] for name, column in self.texts.items()}
            yield Documents(self.keys[start : start + size], texts)
