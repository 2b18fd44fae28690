"""The searched documents: texts by field, and the keys that identify a document as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextField:
    """weight: the value of a word in this field; b: length normalization, 0 (none) to 1 (full)."""

    weight: float
    b: float


# Short fields are the most informative. Not learned: a new shop has no clicks to learn from.
FIELDS: Mapping[str, TextField] = {
    "title": TextField(3.0, 0.5),
    "head": TextField(6.0, 0.0),  # the words of the title that name the product: a potato before potato chips
    "brand": TextField(2.0, 0.3),
    "category": TextField(1.2, 0.3),
    "tags": TextField(1.2, 0.3),
    "attributes": TextField(0.8, 0.5),
    "description": TextField(0.4, 0.75),
}


@dataclass(frozen=True)
class Documents:
    """n documents as columns: texts by field name, and the keys of each, such as product id and SKU.

    Raises ValueError if columns differ in length or a field is unknown.
    """

    keys: Sequence[Sequence[str]]
    texts: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        for name, column in self.texts.items():
            if name not in FIELDS:
                raise ValueError(f"Unknown field {name!r}; valid: {', '.join(FIELDS)}.")
            if len(column) != len(self.keys):
                raise ValueError(
                    f"Field {name} has {len(column)} texts for {len(self.keys)} documents; the numbers must be equal."
                )

    def __len__(self) -> int:
        return len(self.keys)

    def split(self, size: int) -> Iterator["Documents"]:
        """Yield the documents in batches of this size."""
        for start in range(0, len(self), size):
            texts = {name: column[start : start + size] for name, column in self.texts.items()}
            yield Documents(self.keys[start : start + size], texts)
